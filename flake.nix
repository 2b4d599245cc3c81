{
  description = "Aspen: an embeddable, distributed, transactional key-value store";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    # The exact toolchain of rust-toolchain.toml, which nixpkgs alone does not have.
    rust-overlay = {
      url = "github:oxalica/rust-overlay";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs =
    {
      self,
      nixpkgs,
      rust-overlay,
    }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      forEachSystem =
        f:
        nixpkgs.lib.genAttrs systems (
          system:
          let
            pkgs = import nixpkgs {
              inherit system;
              overlays = [ rust-overlay.overlays.default ];
            };
            toolchain = pkgs.rust-bin.fromRustupToolchainFile ./rust-toolchain.toml;
          in
          f { inherit pkgs toolchain; }
        );
    in
    {
      # `nix build`: the node and the command line.
      packages = forEachSystem (
        { pkgs, toolchain }:
        let
          rustPlatform = pkgs.makeRustPlatform {
            cargo = toolchain;
            rustc = toolchain;
          };
        in
        {
          default = rustPlatform.buildRustPackage {
            pname = "aspen";
            version = (pkgs.lib.importTOML ./Cargo.toml).workspace.package.version;
            src = self;
            cargoLock.lockFile = ./Cargo.lock;
            cargoBuildFlags = [
              "--package=aspen-node"
              "--package=aspen-cli"
            ];
            # `cargo xtask test` runs the tests, with real processes that a build sandbox forbids.
            doCheck = false;
            meta = {
              description = "An embeddable, distributed, transactional key-value store";
              license = with pkgs.lib.licenses; [
                mit
                asl20
              ];
              mainProgram = "aspen";
            };
          };
        }
      );

      # `nix develop`: everything that `cargo xtask` uses, the optional parts too.
      devShells = forEachSystem (
        { pkgs, toolchain }:
        {
          default = pkgs.mkShell {
            packages = [
              toolchain
              pkgs.cargo-deny
              pkgs.cargo-nextest
              pkgs.etcd
              pkgs.git
              pkgs.protobuf
            ];
          };
        }
      );

      formatter = forEachSystem ({ pkgs, ... }: pkgs.nixfmt-rfc-style);
    };
}
