//! A network that is cut, held up or bad.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Target;
use crate::sim::network::{Effect, Kind, Leg, Party, Rule};
use crate::sim::world::World;

/// Which way nothing passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Direction {
    Both,
    /// From the first to the second.
    Forth,
    /// From the second to the first.
    Back,
}

impl Direction {
    fn rules(self, first: BTreeSet<Party>, second: BTreeSet<Party>, effect: Effect) -> Vec<Rule> {
        let forth = || Rule::between(first.clone(), second.clone(), effect);
        let back = || Rule::between(second.clone(), first.clone(), effect);
        match self {
            Self::Both => vec![forth(), back()],
            Self::Forth => vec![forth()],
            Self::Back => vec![back()],
        }
    }
}

fn nodes(world: &World) -> Vec<Party> {
    world.cluster.living().iter().map(|machine| Party::Node(machine.node)).collect()
}

fn clients(world: &World) -> Vec<Party> {
    (0..world.cluster.setup.clients).map(Party::Client).collect()
}

async fn apply(world: &World, lasts: Duration, rules: Vec<Rule>) {
    let fault = world.fault_id();
    world.cluster.network.add_rules(fault, rules);
    world.hold(lasts).await;
    world.cluster.network.remove_rules(fault);
}

/// One node is cut off from the other nodes, and perhaps from clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Isolate {
    pub(crate) target: Target,
    /// What passes no more, the node first.
    pub(crate) direction: Direction,
    /// Whether clients are cut off too.
    pub(crate) clients: bool,
}

impl Isolate {
    pub(super) async fn strike(&self, world: &World, lasts: Duration) {
        let Some(node) = self.target.find(&world.cluster) else { return };
        let alone = BTreeSet::from([Party::Node(node)]);
        let mut others: BTreeSet<Party> = nodes(world).into_iter().collect();
        others.remove(&Party::Node(node));
        if self.clients {
            others.extend(clients(world));
        }
        apply(world, lasts, self.direction.rules(alone, others, Effect::Cut)).await;
    }
}

/// Nodes and clients fall into two sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Split {
    /// Who is on the first side: a bit for each node, in order.
    pub(crate) nodes: u64,
    /// The same for clients.
    pub(crate) clients: u64,
    /// A node that changes over to the smaller side, so that it has the leader.
    pub(crate) to_minority: Option<Target>,
    pub(crate) direction: Direction,
}

impl Split {
    pub(super) async fn strike(&self, world: &World, lasts: Duration) {
        let (mut first, mut second) = divide(&nodes(world), self.nodes);
        if let Some(node) = self.to_minority.and_then(|target| target.find(&world.cluster)) {
            let node = Party::Node(node);
            first.remove(&node);
            second.remove(&node);
            let smaller = if first.len() < second.len() { &mut first } else { &mut second };
            smaller.insert(node);
        }
        let (with_first, with_second) = divide(&clients(world), self.clients);
        first.extend(with_first);
        second.extend(with_second);
        apply(world, lasts, self.direction.rules(first, second, Effect::Cut)).await;
    }
}

fn divide(parties: &[Party], mask: u64) -> (BTreeSet<Party>, BTreeSet<Party>) {
    let is_first = |index: usize| mask >> (index % 64) & 1 == 1;
    let side = |first: bool| {
        let chosen = parties.iter().enumerate().filter(|(index, _)| is_first(*index) == first);
        chosen.map(|(_, party)| *party).collect()
    };
    (side(true), side(false))
}

/// Nodes are held up one after the other, and let go in another order (FoundationDB's "swizzle").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Swizzle {
    /// Who is held up: a bit for each node, in order.
    pub(crate) nodes: u64,
    /// Where in the other order to begin.
    pub(crate) turn: u64,
    /// Between two steps, in milliseconds.
    pub(crate) gap_ms: u64,
}

impl Swizzle {
    pub(super) async fn strike(&self, world: &World, lasts: Duration) {
        let gap = Duration::from_millis(self.gap_ms);
        let (chosen, _) = divide(&nodes(world), self.nodes);
        let mut held = Vec::new();
        for node in chosen {
            let only = Some(BTreeSet::from([node]));
            let rule = |from, to| Rule { from, to, ..Rule::everywhere(Effect::Hold) };
            let fault = world.fault_id();
            let rules = vec![rule(only.clone(), None), rule(None, only)];
            world.cluster.network.add_rules(fault, rules);
            held.push(fault);
            world.hold(gap).await;
        }
        world.hold(lasts).await;
        let turn = self.turn.checked_rem(held.len() as u64).unwrap_or(0);
        held.rotate_left(turn as usize);
        for fault in held {
            world.cluster.network.remove_rules(fault);
            world.hold(gap).await;
        }
    }
}

/// The whole network is bad, or one node's part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Weather {
    /// Whose; everybody's when `None`.
    pub(crate) target: Option<Target>,
    /// How many of a hundred messages are lost.
    pub(crate) lost_percent: u32,
    /// How many arrive twice.
    pub(crate) repeated_percent: u32,
    /// How much longer they may take, in milliseconds.
    pub(crate) slower_ms_max: u64,
}

impl Weather {
    pub(super) async fn strike(&self, world: &World, lasts: Duration) {
        let node = match self.target.map(|target| target.find(&world.cluster)) {
            None => None,
            Some(None) => return,
            Some(Some(node)) => Some(BTreeSet::from([Party::Node(node)])),
        };
        let effects = [
            Effect::Drop { percent: self.lost_percent },
            Effect::Repeat { percent: self.repeated_percent },
            Effect::Slow { ms_min: 0, ms_max: self.slower_ms_max },
        ];
        let mut rules = Vec::new();
        for effect in effects {
            let rule = Rule::everywhere(effect);
            if node.is_some() {
                rules.push(Rule { from: node.clone(), ..rule.clone() });
                rules.push(Rule { to: node.clone(), ..rule });
            } else {
                rules.push(rule);
            }
        }
        apply(world, lasts, rules).await;
    }
}

/// Messages of one kind are slow and get lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KindTrouble {
    pub(crate) kind: Kind,
    /// Whether it strikes the answers instead of the messages.
    pub(crate) answers: bool,
    /// How many of a hundred are lost.
    pub(crate) lost_percent: u32,
    /// How much longer they take, in milliseconds.
    pub(crate) slower_ms_max: u64,
}

impl KindTrouble {
    pub(super) async fn strike(&self, world: &World, lasts: Duration) {
        let leg = if self.answers { Leg::Answer } else { Leg::Request };
        let lost = Effect::Drop { percent: self.lost_percent };
        let slower = Effect::Slow { ms_min: self.slower_ms_max / 2, ms_max: self.slower_ms_max };
        let rules = [lost, slower].map(|effect| Rule::of_kind(self.kind, leg, effect));
        apply(world, lasts, rules.to_vec()).await;
    }
}
