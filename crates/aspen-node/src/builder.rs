//! Starting a node from a program.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::{Config, Node, ReachSetting, SecretText, StartError};

/// What a program says about a node before it starts; the rest has defaults, as in [`Config`].
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use aspen_core::{Key, KeyValueStore, Value};
/// use aspen_node::NodeBuilder;
///
/// let node = NodeBuilder::new(1, "/var/lib/example").cookie("secret").bootstrap().start().await?;
/// node.store().set(Key::try_from("greeting")?, Value::try_from("hello")?).await?;
/// node.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct NodeBuilder {
    config: Config,
}

impl NodeBuilder {
    /// A node with an id, 1 or more, and a data directory of its own.
    pub fn new(id: u64, dir: impl Into<PathBuf>) -> Self {
        Self::from(Config { id, dir: dir.into(), ..Config::default() })
    }

    /// The cluster's shared secret; required.
    #[must_use]
    pub fn cookie(mut self, cookie: impl Into<String>) -> Self {
        self.config.cookie = SecretText::new(cookie);
        self
    }

    /// Where to listen; by default on loopback, at a port that the system chooses once.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.config.listen = address;
        self
    }

    /// Who can reach the node; by default only this machine.
    #[must_use]
    pub fn reach(mut self, reach: ReachSetting) -> Self {
        self.config.reach = reach;
        self
    }

    /// Start a new cluster when the directory is empty.
    #[must_use]
    pub fn bootstrap(mut self) -> Self {
        self.config.bootstrap = true;
        self
    }

    /// Join the ticket's cluster when the directory is empty.
    #[must_use]
    pub fn join(mut self, ticket: impl Into<String>) -> Self {
        self.config.join = Some(ticket.into());
        self
    }

    /// Serve `/health`, `/ready` and `/metrics` there.
    #[must_use]
    pub fn ops_listen(mut self, address: SocketAddr) -> Self {
        self.config.ops_listen = Some(address);
        self
    }

    /// Sets anything else.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Starts the node.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(self) -> Result<Node, StartError> {
        Node::start(self.config).await
    }
}

impl From<Config> for NodeBuilder {
    fn from(config: Config) -> Self {
        Self { config }
    }
}
