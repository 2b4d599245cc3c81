//! The network between nodes and clients: delays, loses, repeats, reorders and cuts.
//!
//! * What travels is bytes: a sender encodes and the receiving node decodes.
//! * A message under way belongs to nobody: it arrives although its sender has given up or died.
//! * A node answers in tasks of its own process, fed by one that takes messages from a queue: a
//!   kill takes all of them along, a pause makes them wait as a stopped process' sockets do.
//! * An answer travels back under the same faults.
//! * What is wrong with the network is a set of [`Rule`]s; each fault adds some and removes them.

mod channel;
mod letter;
mod links;
mod party;
mod peers;
mod rule;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::sim::sleep;
use aspen_core::{EndpointKey, NodeId, NodeRecord};
use madsim::rand::{Rng, thread_rng};
use madsim::runtime::{Handle, NodeHandle};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

pub(crate) use channel::ClientChannel;
pub(crate) use letter::Kind;
pub(crate) use links::SimLinks;
pub(crate) use party::{Party, record_of};
pub(crate) use peers::PeerTransport;
pub(crate) use rule::{Effect, Leg, Rule};
pub(crate) use server::{Handlers, serve};

use self::letter::Delivery;
use crate::sim::trace;

/// How often a held message looks whether it may go on.
const HELD_LOOK: Duration = Duration::from_millis(15);

/// How long messages take when nothing is wrong.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// The least, in microseconds.
    pub(crate) least_us: u64,
    /// What is added on average, in microseconds; exponentially distributed.
    pub(crate) spread_us: u64,
    /// How many of a thousand messages take far longer.
    pub(crate) spikes_per_mille: u32,
    /// How long those may take, in milliseconds.
    pub(crate) spike_ms_max: u64,
}

impl Latency {
    /// How long a message of this length takes.
    fn draw(&self, len: usize) -> Duration {
        let mut random = thread_rng();
        let spread = -(1.0 - random.gen_range(0.0..1.0_f64)).ln() * self.spread_us as f64;
        let mut micros = self.least_us + spread as u64 + (len / BYTES_PER_US) as u64;
        if random.gen_range(0..1_000) < self.spikes_per_mille {
            micros += random.gen_range(0..=self.spike_ms_max * 1_000);
        }
        Duration::from_micros(micros)
    }
}

/// A link carries 100 MB/s.
const BYTES_PER_US: usize = 100;

/// Names the rules of one fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FaultId(pub(crate) u64);

/// The network. One per run.
pub(crate) struct SimNetwork {
    latency: Latency,
    state: Mutex<State>,
    /// Runs what is under way; no fault stops it.
    carrier: NodeHandle,
}

#[derive(Default)]
struct State {
    rules: BTreeMap<FaultId, Vec<Rule>>,
    /// The running processes.
    servers: BTreeMap<NodeId, Server>,
}

/// Where a running process takes messages from.
struct Server {
    endpoint: EndpointKey,
    inbox: UnboundedSender<Delivery>,
    /// Whom it lets speak to it as members.
    peers: BTreeSet<NodeId>,
}

/// Something under way, as rules see it.
#[derive(Clone, Copy, Debug)]
struct Passage {
    from: Party,
    to: Party,
    kind: Kind,
    leg: Leg,
    len: usize,
}

impl SimNetwork {
    /// A network without faults.
    pub(crate) fn new(latency: Latency) -> Arc<Self> {
        let carrier = Handle::current().create_node().name("network").build();
        Arc::new(Self { latency, state: Mutex::default(), carrier })
    }

    /// Adds what a fault does.
    pub(crate) fn add_rules(&self, fault: FaultId, rules: Vec<Rule>) {
        self.state.lock().rules.insert(fault, rules);
    }

    /// Ends what a fault does.
    pub(crate) fn remove_rules(&self, fault: FaultId) {
        self.state.lock().rules.remove(&fault);
    }

    /// Ends every fault of the network.
    pub(crate) fn heal(&self) {
        self.state.lock().rules.clear();
    }

    /// The process that answers under this key.
    fn node_of(&self, endpoint: EndpointKey) -> Option<NodeId> {
        let state = self.state.lock();
        let found = state.servers.iter().find(|(_, server)| server.endpoint == endpoint);
        found.map(|(node, _)| *node)
    }

    /// Whether a node runs and can be reached from another.
    fn is_online(&self, from: NodeId, node: NodeId) -> bool {
        let state = self.state.lock();
        let (here, there) = (Party::Node(from), Party::Node(node));
        let passes = |from, to| {
            let (kind, leg, len) = (Kind::Client, Leg::Request, 0);
            let passage = Passage { from, to, kind, leg, len };
            state.effects(passage).all(|effect| !effect.stops())
        };
        state.servers.contains_key(&node) && passes(here, there) && passes(there, here)
    }

    /// Replaces whom a process lets speak to it as members.
    fn set_peers(&self, node: NodeId, peers: &[NodeRecord]) {
        if let Some(server) = self.state.lock().servers.get_mut(&node) {
            server.peers = peers.iter().map(|record| record.id).collect();
        }
    }

    fn knows_peer(&self, node: NodeId, peer: NodeId) -> bool {
        self.state.lock().servers.get(&node).is_some_and(|server| server.peers.contains(&peer))
    }

    /// Sends something on its way. `arrive` is called for each copy that arrives.
    fn carry(self: &Arc<Self>, passage: Passage, arrive: impl Fn() + Send + Sync + 'static) {
        let delays = self.delays(passage);
        let arrive = Arc::new(arrive);
        for delay in delays {
            let (network, arrive) = (self.clone(), arrive.clone());
            self.carrier.spawn(async move {
                // The shortest that the simulator can sleep is a millisecond.
                if delay >= Duration::from_micros(500) {
                    sleep(delay).await;
                }
                while network.is_held(passage) {
                    sleep(HELD_LOOK).await;
                }
                if !network.is_cut(passage) {
                    arrive();
                }
            });
        }
    }

    /// How long each copy takes; none when the message is lost.
    fn delays(&self, passage: Passage) -> Vec<Duration> {
        let state = self.state.lock();
        let mut random = thread_rng();
        let mut delays = vec![self.latency.draw(passage.len)];
        for effect in state.effects(passage) {
            match effect {
                Effect::Cut => delays.clear(),
                Effect::Drop { percent } if random.gen_range(0..100) < *percent => delays.clear(),
                Effect::Repeat { percent }
                    if passage.kind.may_repeat() && random.gen_range(0..100) < *percent =>
                {
                    let again = delays.first().map(|delay| *delay + self.latency.draw(0) * 3);
                    delays.extend(again);
                }
                Effect::Slow { ms_min, ms_max } => {
                    let more = Duration::from_millis(random.gen_range(*ms_min..=*ms_max));
                    delays.iter_mut().for_each(|delay| *delay += more);
                }
                Effect::Drop { .. } | Effect::Repeat { .. } | Effect::Hold => {}
            }
        }
        delays
    }

    fn is_held(&self, passage: Passage) -> bool {
        self.state.lock().effects(passage).any(|effect| matches!(effect, Effect::Hold))
    }

    fn is_cut(&self, passage: Passage) -> bool {
        self.state.lock().effects(passage).any(|effect| matches!(effect, Effect::Cut))
    }

    /// Puts a message before a process; answers whether there is one.
    fn deliver(&self, node: NodeId, delivery: Delivery) -> Result<(), Delivery> {
        let state = self.state.lock();
        let Some(server) = state.servers.get(&node) else { return Err(delivery) };
        server.inbox.send(delivery).map_err(|unsent| unsent.0)
    }
}

impl State {
    fn effects(&self, passage: Passage) -> impl Iterator<Item = &Effect> {
        let rules = self.rules.values().flatten();
        rules.filter(move |rule| rule.covers(&passage)).map(|rule| &rule.effect)
    }
}

impl Passage {
    fn record(&self, what: &'static str) {
        let kind = u64::from(self.kind.number()) << 1 | u64::from(self.leg == Leg::Answer);
        trace::record(what, [self.from.number(), self.to.number(), kind, self.len as u64]);
    }
}
