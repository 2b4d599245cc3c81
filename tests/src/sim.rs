//! The simulated world: a whole cluster in one thread.

mod artifact;
mod cluster;
mod disk;
mod files;
mod heal;
mod machine;
mod minimize;
mod nemesis;
mod network;
mod observed_log;
mod observed_state;
mod oracle;
mod process;
mod replicas;
mod rot;
mod run;
mod scenario;
mod seeds;
mod setup;
mod states;
mod store;
mod trace;
mod world;

pub use artifact::Artifact;
pub use minimize::minimize;
pub use nemesis::Schedule;
pub use run::{Plan, Report, run};
pub use scenario::Scenario;
pub use seeds::{Batch, Failure, Summary};
