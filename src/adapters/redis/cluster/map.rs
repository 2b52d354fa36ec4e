//! Knowledge about a Cluster: which server is the primary of which slots.
//!
//! Each claim on slots has the epoch of its configuration, which grows with each failover and with each slot that moves. The highest
//! one counts, also against what was known before, so that a server that was cut off leads nobody back to a former primary.

use std::collections::{BTreeMap, BTreeSet};

use redis::{ParsingError, Value, from_redis_value};

use super::Address;
use super::slots::SLOTS;

/// A claim of a primary on slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    /// First and last slot.
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) primary: Address,
    pub(super) epoch: u64,
}

/// Answer of one server.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The server that was asked, by the address by which it was asked.
    pub(super) by: Option<Address>,
    pub(super) claims: Vec<Claim>,
    pub(super) replicas: BTreeSet<Address>,
}

impl Told {
    /// Reads the answers to CLUSTER SLOTS and CLUSTER NODES of a server. An address that the server does not know is its own.
    pub(super) fn read(asked: &Address, slots: Value, nodes: &str) -> Result<Self, ParsingError> {
        let epochs = epochs_of(nodes);
        let mut told = Self { by: Some(asked.clone()), ..Self::default() };
        for range in from_redis_value::<Vec<Vec<Value>>>(slots)? {
            let mut parts = range.into_iter();
            let (first, last): (u16, u16) = (next(&mut parts)?, next(&mut parts)?);
            if first > last || last >= SLOTS {
                return Err(format!("{first} to {last} are no slots").into());
            }
            let Some(primary) = parts.next() else { continue };
            let (primary, id) = server(asked, primary)?;
            let epoch = epochs.get(id.as_str()).copied().unwrap_or(0);
            told.claims.push(Claim { first, last, primary, epoch });
            for replica in parts {
                told.replicas.insert(server(asked, replica)?.0);
            }
        }
        Ok(told)
    }
}

impl Told {
    /// True if the server that was asked says that it has this slot.
    fn has_itself(&self, slot: u16) -> bool {
        let is_own = |claim: &Claim| Some(&claim.primary) == self.by.as_ref();
        self.claims.iter().any(|claim| is_own(claim) && (claim.first..=claim.last).contains(&slot))
    }
}

fn next<T: redis::FromRedisValue>(parts: &mut impl Iterator<Item = Value>) -> Result<T, ParsingError> {
    from_redis_value(parts.next().unwrap_or_default())
}

/// The address and the id of a server in an answer to CLUSTER SLOTS.
fn server(asked: &Address, server: Value) -> Result<(Address, String), ParsingError> {
    let mut parts = from_redis_value::<Vec<Value>>(server)?.into_iter();
    let (host, port): (Option<String>, u16) = (next(&mut parts)?, next(&mut parts)?);
    let host = host.filter(|host| !host.is_empty() && host != "?").unwrap_or_else(|| asked.host.clone());
    Ok((Address { host, port }, next(&mut parts)?))
}

/// The epoch of each server by its id: the seventh word of a line of CLUSTER NODES.
fn epochs_of(nodes: &str) -> BTreeMap<&str, u64> {
    nodes
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.nth(5)?.parse().ok()?))
        })
        .collect()
}

/// The primary of each slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SlotMap {
    /// Claims that hold, in the order of their slots, none of which is in two of them.
    claims: Vec<Claim>,
    replicas: BTreeSet<Address>,
}

impl SlotMap {
    /// Takes in what servers have said. Of two claims with one epoch the later one counts: the same server has another address.
    pub(super) fn updated(&self, told: &[Told]) -> Self {
        let mut claims: Vec<&Claim> =
            self.claims.iter().chain(told.iter().flat_map(|told| &told.claims)).collect();
        claims.sort_by_key(|claim| claim.epoch);
        let mut owners: Vec<Option<usize>> = vec![None; usize::from(SLOTS)];
        for (index, claim) in claims.iter().enumerate() {
            // Who says that it has a slot no longer is right about that, whoever else thinks so.
            let itself = told.iter().find(|told| told.by.as_ref() == Some(&claim.primary));
            for slot in claim.first..=claim.last {
                if itself.is_none_or(|told| told.has_itself(slot)) {
                    owners[usize::from(slot)] = Some(index);
                }
            }
        }
        let mut kept: Vec<Claim> = Vec::new();
        for (slot, owner) in (0..SLOTS).zip(owners) {
            let Some(claim) = owner.map(|index| claims[index]) else { continue };
            match kept.last_mut() {
                Some(last) if last.last + 1 == slot && last.is_of(claim) => last.last = slot,
                Some(_) | None => kept.push(Claim { first: slot, last: slot, ..claim.clone() }),
            }
        }
        let told_replicas = told.iter().flat_map(|told| &told.replicas);
        let replicas = match told {
            [] => self.replicas.clone(),
            _some => told_replicas.cloned().collect(),
        };
        Self { claims: kept, replicas }
    }

    /// The primary of a slot; None for a slot that none has.
    pub(super) fn primary_of(&self, slot: u16) -> Option<&Address> {
        let behind = self.claims.partition_point(|claim| claim.first <= slot);
        let claim = self.claims.get(behind.checked_sub(1)?)?;
        (slot <= claim.last).then_some(&claim.primary)
    }

    /// All primaries that have slots.
    pub(super) fn primaries(&self) -> BTreeSet<&Address> {
        self.claims.iter().map(|claim| &claim.primary).collect()
    }

    /// All servers.
    pub(super) fn servers(&self) -> BTreeSet<&Address> {
        self.claims.iter().map(|claim| &claim.primary).chain(&self.replicas).collect()
    }

    /// Highest epoch.
    pub(super) fn epoch(&self) -> u64 {
        self.claims.iter().map(|claim| claim.epoch).max().unwrap_or(0)
    }

    /// The slots whose primary is another one here than there.
    pub(super) fn changed_since(&self, before: &Self) -> Vec<u16> {
        (0..SLOTS)
            .filter(|slot| before.primary_of(*slot).is_some_and(|was| self.primary_of(*slot) != Some(was)))
            .collect()
    }

    /// Number of slots that no primary has.
    pub(super) fn uncovered(&self) -> usize {
        let covered = self.claims.iter().map(|claim| usize::from(claim.last - claim.first) + 1).sum();
        usize::from(SLOTS).saturating_sub(covered)
    }
}

impl Claim {
    fn is_of(&self, other: &Self) -> bool {
        (&self.primary, self.epoch) == (&other.primary, other.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Address {
        Address { host: "h".to_owned(), port }
    }

    fn told(claims: &[(u16, u16, u16, u64)]) -> Told {
        let claims = claims.iter().map(|(first, last, port, epoch)| Claim {
            first: *first,
            last: *last,
            primary: at(*port),
            epoch: *epoch,
        });
        Told { claims: claims.collect(), ..Told::default() }
    }

    #[test]
    fn the_highest_epoch_counts_whoever_says_it_and_whenever() {
        let whole = SlotMap::default().updated(&[told(&[(0, 99, 1, 1), (100, 16383, 2, 2)])]);
        assert_eq!((whole.primary_of(99), whole.primary_of(100)), (Some(&at(1)), Some(&at(2))));
        assert_eq!((whole.uncovered(), whole.epoch(), whole.primaries().len()), (0, 2, 2));
        // A failover: 3 has the slots of 2. A server that was cut off still says that 2 has them.
        let moved = whole.updated(&[told(&[(100, 16383, 3, 3)]), told(&[(100, 16383, 2, 2)])]);
        assert_eq!(moved.primary_of(16383), Some(&at(3)));
        assert_eq!(moved.updated(&[told(&[(0, 99, 1, 1), (100, 16383, 2, 2)])]), moved);
        assert_eq!(moved.changed_since(&whole).len(), 16284);
        assert_eq!(moved.changed_since(&moved), Vec::<u16>::new());
        // One slot goes elsewhere, and its server has another address later.
        let one = moved.updated(&[told(&[(7, 7, 3, 4)])]);
        let ports = [6, 7, 8].map(|slot| one.primary_of(slot).map(|at| at.port));
        assert_eq!(ports, [Some(1), Some(3), Some(1)]);
        assert_eq!(one.changed_since(&moved), [7]);
        assert_eq!(one.updated(&[told(&[(7, 7, 9, 4)])]).primary_of(7), Some(&at(9)));
    }

    #[test]
    fn a_server_that_has_given_a_slot_up_is_not_asked_for_it_whatever_its_epoch() {
        let whole = SlotMap::default().updated(&[told(&[(0, 99, 1, 5), (100, 16383, 2, 2)])]);
        let by = |port: u16, told: Told| Told { by: Some(at(port)), ..told };
        let given = [by(1, told(&[(0, 98, 1, 5), (99, 16383, 2, 2)])), told(&[(0, 99, 1, 5)])];
        let after = whole.updated(&given);
        assert_eq!((after.primary_of(98), after.primary_of(99)), (Some(&at(1)), Some(&at(2))));
        assert_eq!(whole.updated(&[by(1, told(&[(0, 98, 1, 5)]))]).primary_of(99), None);
    }

    #[test]
    fn slots_that_nobody_has_are_counted() {
        let half = SlotMap::default().updated(&[told(&[(0, 8191, 1, 1)])]);
        assert_eq!((half.uncovered(), half.primary_of(8192)), (8192, None));
        assert_eq!(SlotMap::default().primary_of(0), None);
    }

    #[test]
    fn answers_are_read_and_unknown_hosts_are_those_that_were_asked() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let server = |host: Value, port, id: &str| {
            Value::Array(vec![host, Value::Int(port), text(id), Value::Array(vec![])])
        };
        let range = |first, last, servers: Vec<Value>| {
            Value::Array([vec![Value::Int(first), Value::Int(last)], servers].concat())
        };
        let slots = Value::Array(vec![
            range(0, 5, vec![server(text("a"), 1, "ida"), server(text("b"), 2, "idb")]),
            range(6, 9, vec![server(text(""), 3, "idc")]),
            range(10, 10, vec![server(Value::Nil, 3, "idc")]),
        ]);
        let nodes =
            "ida a:1@11 master - 0 0 4 connected 0-5\nidc :3@13 myself,master - 0 0 7 connected 6-10\n";
        let read = Told::read(&at(1), slots, nodes).unwrap();
        let claims: Vec<_> =
            read.claims.iter().map(|claim| (claim.first, claim.primary.to_string(), claim.epoch)).collect();
        assert_eq!(claims, [(0, "a:1".to_owned(), 4), (6, "h:3".to_owned(), 7), (10, "h:3".to_owned(), 7)]);
        assert_eq!(read.replicas.iter().map(ToString::to_string).collect::<Vec<_>>(), ["b:2"]);
        let wrong = Value::Array(vec![range(5, 16384, vec![])]);
        assert!(Told::read(&at(1), wrong, "").is_err());
    }
}
