//! One lease and what its holder knows of it.

use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use aspen_core::{Consistency, Key, LeaseId, Operation, ReadRequest, WriteCommand};

use super::super::Context;
use super::super::fate::{Fate, Written};
use super::super::key_space::text;
use crate::check::Violation;

/// A lease, or a key with a TTL of its own.
pub(super) struct Round {
    /// Changed together, each time with the lease.
    keys: Vec<Key>,
    /// `None` for a key with a TTL of its own.
    lease: Option<LeaseId>,
    hold: Duration,
    /// Until when nothing may end it.
    held_until: Instant,
    /// An attachment of the keys was acknowledged.
    attached: bool,
    /// It has ended for certain.
    ended: bool,
}

/// How long a lease is surely held. Clocks of nodes run up to 30 % too fast in simulation
/// (`sim/nemesis/draw.rs`), and 1 / 1.3 > 3 / 4.
fn hold(ttl_ms: u64) -> Duration {
    Duration::from_millis(ttl_ms) * 3 / 4
}

impl Round {
    /// Grants a lease; `None` if that is not known to have happened.
    pub(super) async fn with_lease(
        context: &Context,
        keys: Vec<Key>,
        ttl_ms: u64,
    ) -> Result<Option<Self>, Violation> {
        let sent = runtime::now();
        let granted = context.patiently(context.leases.grant(None, ttl_ms)).await;
        let lease = match granted {
            Some(Ok(granted)) => Some(granted.lease),
            Some(Err(error)) => return Written::from_error(error).map(|_| None),
            None => return Ok(None),
        };
        let hold = hold(ttl_ms);
        let held_until = sent + hold;
        Ok(Some(Self { keys, lease, hold, held_until, attached: false, ended: false }))
    }

    /// Sets a key with a TTL; `None` if that is not known to have happened.
    pub(super) async fn with_ttl(
        context: &Context,
        key: Key,
        ttl_ms: u64,
    ) -> Result<Option<Self>, Violation> {
        let sent = runtime::now();
        let put = Operation::PutTtl { key: key.clone(), value: text("ttl"), ttl_ms };
        let written = context.write(WriteCommand::Batch { operations: vec![put] }).await?;
        let attached = matches!(written.fate(), Fate::Applied(_));
        let hold = hold(ttl_ms);
        let (keys, held_until) = (vec![key], sent + hold);
        let round = Self { keys, lease: None, hold, held_until, attached, ended: false };
        Ok(Some(round).filter(|_| attached))
    }

    /// Sets the keys and attaches them to the lease.
    pub(super) async fn attach(&mut self, context: &Context) -> Result<(), Violation> {
        if self.lease.is_none() {
            return Ok(());
        }
        let value = text(context.random.next_u64());
        let put = |key: &Key| Operation::Put {
            key: key.clone(),
            value: value.clone(),
            lease: self.lease,
        };
        let operations = self.keys.iter().map(put).collect();
        let written = context.write(WriteCommand::Batch { operations }).await?;
        if matches!(written.fate(), Fate::Applied(_)) {
            self.attached = true;
            if self.ended {
                return Err(violation("nothing is attached to a lease that has ended", self));
            }
        }
        Ok(())
    }

    pub(super) async fn keep_alive(&mut self, context: &Context) -> Result<(), Violation> {
        let Some(lease) = self.lease else { return Ok(()) };
        let sent = runtime::now();
        let kept = context.patiently(context.leases.keep_alive(vec![lease])).await;
        let Some(kept) = context.served(kept.ok_or(runtime::Elapsed)).await? else {
            return Ok(());
        };
        match kept.first() {
            Some(Some(_)) if self.ended => Err(violation("a lease that has ended stays so", self)),
            Some(Some(_)) => {
                self.held_until = self.held_until.max(sent + self.hold);
                Ok(())
            }
            Some(None) => self.must_have_passed(),
            None => Err(violation("a keep-alive answers for each lease", self)),
        }?;
        self.ended |= kept.first() == Some(&None);
        Ok(())
    }

    /// Reads the keys and judges what is seen.
    pub(super) async fn look(&self, context: &Context) -> Result<(), Violation> {
        let request =
            ReadRequest { keys: self.keys.clone(), consistency: Consistency::Linearizable };
        let Some(reply) = context.read(request).await? else { return Ok(()) };
        let present = reply.values.iter().flatten().count();
        if present != 0 && present != self.keys.len() {
            return Err(violation("the keys of a lease go away together", self));
        }
        if present == 0 && self.attached {
            self.must_have_passed()?;
        }
        match present > 0 && self.ended {
            true => Err(violation("a lease that has ended has no keys", self)),
            false => Ok(()),
        }
    }

    pub(super) async fn revoke(&mut self, context: &Context) -> Result<(), Violation> {
        let Some(lease) = self.lease else { return Ok(()) };
        match context.patiently(context.leases.revoke(lease)).await {
            Some(Ok(_)) => {
                self.ended = true;
                self.held_until = runtime::now();
            }
            // It may have happened.
            Some(Err(error)) => {
                Written::from_error(error)?;
                self.attached = false;
            }
            None => self.attached = false,
        }
        Ok(())
    }

    /// The lease has ended, as was just seen.
    fn must_have_passed(&self) -> Result<(), Violation> {
        match runtime::now() < self.held_until {
            true => Err(violation("a lease lives as long as was promised", self)),
            false => Ok(()),
        }
    }
}

fn violation(rule: &'static str, round: &Round) -> Violation {
    let left = round.held_until.saturating_duration_since(runtime::now());
    let (keys, lease) = (&round.keys, round.lease);
    Violation::new(rule, format!("lease {lease:?}, keys {keys:?}, promised for another {left:?}"))
}
