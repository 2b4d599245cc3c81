//! The table of settings: names, types, defaults and what each trades.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A setting as the layers see it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub(crate) name: &'static str,
    pub(crate) flag: &'static str,
    pub(crate) kind: Kind,
    pub(crate) doc: &'static str,
}

/// Every setting, in the order of documentation.
pub fn settings() -> &'static [Setting] {
    SETTINGS
}

impl Setting {
    /// Its name in the file; `ASPEN_` and the name in capitals in the environment.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its name as a flag, without the dashes before it.
    pub fn flag(&self) -> &'static str {
        self.flag
    }

    /// What it does and what it trades.
    pub fn doc(&self) -> &'static str {
        self.doc
    }

    /// Whether it is on or off.
    pub fn is_flag(&self) -> bool {
        self.kind == Kind::Flag
    }

    /// What stands for its value in a help text.
    pub fn placeholder(&self) -> &'static str {
        match self.kind {
            Kind::Text => "TEXT",
            Kind::Integer => "NUMBER",
            Kind::Flag => "BOOL",
        }
    }
}

/// How the text of an environment variable or flag becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Flag,
}

/// The libraries below speak of every step at the level where we speak of events.
const LOG_FILTER_DEFAULT: &str = "info,openraft=warn,iroh=warn,noq=warn";

/// A name as flags write it, made when the program is compiled.
const fn dashed<const N: usize>(name: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        let byte = name.as_bytes()[at];
        bytes[at] = if byte == b'_' { b'-' } else { byte };
        at += 1;
    }
    bytes
}

/// One list makes the struct, its defaults, its documentation and the names of all layers, so that
/// they cannot disagree.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr, $kind:ident;)+) => {
        /// Everything that can be set about a node.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $name: $type,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        pub(crate) const SETTINGS: &[Setting] = &[
            $(Setting {
                name: stringify!($name),
                flag: {
                    const NAME: &str = stringify!($name);
                    const DASHED: [u8; NAME.len()] = dashed(NAME);
                    match std::str::from_utf8(&DASHED) {
                        Ok(flag) => flag,
                        Err(_) => NAME,
                    }
                },
                kind: Kind::$kind,
                doc: concat!($($doc),+).trim_ascii(),
            },)+
        ];
    };
}

settings! {
    /// The node's id, 1 or more; unique in the cluster and never reused, not even after removal.
    id: u64 = 0, Integer;
    /// The data directory, of this node alone. A fast disk makes fast writes: every write is synced
    /// here before it is acknowledged.
    dir: PathBuf = PathBuf::new(), Text;
    /// The secret that every node of the cluster knows. Flags are visible to all users of the
    /// machine, so prefer `cookie_file` or the environment.
    cookie: SecretText = SecretText::default(), Text;
    /// A file that holds the cookie; instead of `cookie`.
    cookie_file: Option<PathBuf> = None, Text;
    /// The UDP socket address of the node. Port 0 lets the system choose once; the choice is kept
    /// in the data directory. A fixed port can be opened in a firewall beforehand.
    listen: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0), Text;
    /// Who can reach the node: `loopback` (this machine), `lan` (direct addresses only) or `relay`
    /// (through NATs, with a relay's help). Wider reaches more peers and shows more of the node.
    reach: ReachSetting = ReachSetting::Loopback, Text;
    /// The relay server to use with `reach = "relay"`. There is no default: a public one needs no
    /// work but sees who talks to whom, an own one has to be run.
    relay_url: Option<String> = None, Text;
    /// Start a new cluster, when the data directory is empty. Of all nodes exactly one may.
    bootstrap: bool = false, Flag;
    /// A ticket of the cluster to join, when the data directory is empty.
    join: Option<String> = None, Text;
    /// A file that holds, or soon will hold, the ticket of the cluster to join.
    join_file: Option<PathBuf> = None, Text;
    /// For how many milliseconds to try to join. Longer survives a cluster that starts late;
    /// shorter reports a wrong ticket sooner.
    join_timeout_ms: u64 = 120_000, Integer;
    /// Where `/health`, `/ready` and `/metrics` are served over HTTP; off when not set. It is not
    /// authenticated.
    ops_listen: Option<SocketAddr> = None, Text;
    /// Allow `ops_listen` on an address that other machines can reach. It lets a monitoring system
    /// in, and anyone else on that network too.
    ops_public: bool = false, Flag;
    /// Milliseconds between a leader's heartbeats. Shorter notices lost followers sooner; longer
    /// costs less traffic when idle.
    heartbeat_ms: u64 = 500, Integer;
    /// The shortest time without a leader, in milliseconds, after which a node asks for votes.
    /// Shorter fails over sooner; longer holds elections less often on a busy machine.
    election_ms_min: u64 = 1_500, Integer;
    /// The longest such time, in milliseconds. Over five quarters of the shortest; a leader's lease
    /// is two fifths of it. A wide range splits fewer votes; a narrow one bounds the failover.
    election_ms_max: u64 = 3_000, Integer;
    /// How long a vote or heartbeat may take, in milliseconds. Shorter frees an election from a
    /// dead peer sooner; longer bears slower networks.
    vote_timeout_ms: u64 = 500, Integer;
    /// How long replicating entries may take, in milliseconds. Shorter retries sooner; longer bears
    /// slower disks and networks.
    append_timeout_ms: u64 = 5_000, Integer;
    /// How many writes of one group may be in flight; more are refused as overloaded. Higher takes
    /// larger bursts; lower bounds their memory and waiting time.
    operations_in_flight_max: usize = 1_000, Integer;
    /// For how many milliseconds past revisions stay readable. Longer lets slow scans and watches
    /// finish; shorter keeps less on disk.
    history_ms: u64 = 300_000, Integer;
    /// How many bytes of log a group keeps for peers that lag behind. More spares them a snapshot;
    /// fewer replays faster after a crash and takes less disk.
    log_bytes_kept: u64 = 32 * 1024 * 1024, Integer;
    /// How many bytes of recent changes a group holds in memory before it writes them to its
    /// database; up to twice as many meanwhile. More writes less in total; fewer saves memory and
    /// replays faster after a crash.
    head_bytes_max: usize = 16 * 1024 * 1024, Integer;
    /// Milliseconds between looks at the disk's free space. Shorter catches a fast writer earlier;
    /// longer asks the file system less.
    disk_check_ms: u64 = 3_000, Integer;
    /// Percentage of disk use from which on the node warns. Lower warns earlier; higher less often.
    disk_warn_percent: u8 = 80, Integer;
    /// Percentage of disk use from which on puts are refused while reads and deletes go on. Higher
    /// uses more of the disk; lower leaves more room for compaction and snapshots.
    disk_refuse_percent: u8 = 95, Integer;
    /// For how many milliseconds a stopping node may finish what it has begun. Longer interrupts
    /// fewer requests; shorter stops sooner. Nothing acknowledged is lost either way.
    drain_ms: u64 = 30_000, Integer;
    /// What to log: a level, or directives such as `info,aspen_raft=debug`. More explains more and
    /// costs more.
    log_filter: String = LOG_FILTER_DEFAULT.to_owned(), Text;
    /// How to log: `text` for people, `json` for programs.
    log_format: LogFormat = LogFormat::Text, Text;
}

/// How a node can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReachSetting {
    /// From this machine only.
    #[default]
    Loopback,
    /// At its socket addresses; no help from outside.
    Lan,
    /// Also through a relay.
    Relay,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Text that is never shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(empty)" } else { "(redacted)" })
    }
}
