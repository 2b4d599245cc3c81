//! Leases in the body: a row for each, and a row for each key that is attached to one.

use std::collections::BTreeMap;

use aspen_core::LeaseId;
use rusqlite::{Connection, params};

use super::sql::{from_sql, lease_in, lease_out};
use crate::state::{LeaseTable, LeaseTerms, StateError};

/// Writes leases that were granted; `None` removes one that has ended.
pub(super) fn store_leases(
    connection: &Connection,
    leases: &BTreeMap<LeaseId, Option<LeaseTerms>>,
) -> Result<(), StateError> {
    for (lease, terms) in leases {
        match terms {
            Some(terms) => store_lease(connection, *lease, *terms)?,
            None => {
                connection
                    .prepare_cached("DELETE FROM lease WHERE lease = ?")
                    .and_then(|mut delete| delete.execute([lease_in(Some(*lease))]))
                    .map_err(from_sql)?;
            }
        }
    }
    Ok(())
}

/// Writes one lease.
pub(super) fn store_lease(
    connection: &Connection,
    lease: LeaseId,
    terms: LeaseTerms,
) -> Result<(), StateError> {
    let LeaseTerms { grant, ttl_ms } = terms;
    connection
        .prepare_cached("REPLACE INTO lease VALUES (?, ?, ?)")
        .and_then(|mut replace| {
            let (grant, ttl_ms) = (grant.cast_signed(), ttl_ms.cast_signed());
            replace.execute(params![lease_in(Some(lease)), grant, ttl_ms])
        })
        .map_err(from_sql)?;
    Ok(())
}

/// Reads every lease and counts its keys.
pub(super) fn load_leases(connection: &Connection, grants: u64) -> Result<LeaseTable, StateError> {
    let mut leases = Vec::new();
    each_lease(connection, |lease, terms| {
        leases.push((lease, terms));
        match terms.grant < grants {
            true => Ok(()),
            false => Err(StateError::Corrupt(format!("lease {lease} is of a later grant"))),
        }
    })?;
    let mut table = LeaseTable::load(grants, leases);
    let mut select = connection
        .prepare_cached("SELECT lease, count(*) FROM leased GROUP BY lease")
        .map_err(from_sql)?;
    let mut rows = select.query([]).map_err(from_sql)?;
    while let Some(row) = rows.next().map_err(from_sql)? {
        let lease = lease_out(row.get(0).map_err(from_sql)?).unwrap_or_default();
        let keys: i64 = row.get(1).map_err(from_sql)?;
        if !table.attach(lease, usize::try_from(keys).unwrap_or(usize::MAX)) {
            return Err(StateError::Corrupt(format!("keys are attached to no lease: {lease}")));
        }
    }
    Ok(table)
}

/// Visits every lease.
pub(super) fn each_lease(
    connection: &Connection,
    mut visit: impl FnMut(LeaseId, LeaseTerms) -> Result<(), StateError>,
) -> Result<(), StateError> {
    let mut select = connection
        .prepare_cached("SELECT lease, grant_number, ttl_ms FROM lease ORDER BY lease")
        .map_err(from_sql)?;
    let mut rows = select.query([]).map_err(from_sql)?;
    while let Some(row) = rows.next().map_err(from_sql)? {
        let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned).map_err(from_sql);
        let terms = LeaseTerms { grant: number(1)?, ttl_ms: number(2)? };
        visit(LeaseId::new(number(0)?), terms)?;
    }
    Ok(())
}
