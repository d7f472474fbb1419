//! Positions by key, packed: two arrays instead of a map of lists, since most keys have one or two positions.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Positions by the hash of a key. Two keys may share a hash, once in a very long while: what is found is what may be
/// meant.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    /// Sorted; as many as there are positions.
    keys: Vec<u64>,
    positions: Vec<u32>,
}

impl Lookup {
    /// Positions of one key, ascending.
    pub(super) fn get(&self, parts: &[&str]) -> &[u32] {
        self.of(hash(parts))
    }

    /// The same for a key that is a number already.
    pub(super) fn of(&self, key: u64) -> &[u32] {
        let from = self.keys.partition_point(|other| *other < key);
        let to = from + self.keys[from..].partition_point(|other| *other == key);
        &self.positions[from..to]
    }
}

impl FromIterator<(u64, u32)> for Lookup {
    fn from_iter<I: IntoIterator<Item = (u64, u32)>>(pairs: I) -> Self {
        let mut pairs: Vec<(u64, u32)> = pairs.into_iter().collect();
        pairs.sort_unstable();
        pairs.dedup();
        Self {
            keys: pairs.iter().map(|(key, _)| *key).collect(),
            positions: pairs.iter().map(|(_, position)| *position).collect(),
        }
    }
}

/// The key of some texts.
pub(super) fn hash(parts: &[&str]) -> u64 {
    // DefaultHasher::new() has fixed keys. The value never leaves the process.
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

/// The key of a number.
pub(super) fn number(number: i32) -> u64 {
    u64::from(number.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back_by_key_in_order_and_once() {
        let lookup: Lookup = [("b", 1), ("a", 7), ("b", 0), ("b", 1), ("c", 2)]
            .map(|(key, at)| (hash(&["shop", key]), at))
            .into_iter()
            .collect();
        assert_eq!(lookup.get(&["shop", "b"]), [0, 1]);
        assert_eq!(lookup.get(&["shop", "a"]), [7]);
        assert_eq!(lookup.get(&["shop", "d"]), [0_u32; 0]);
        assert_eq!(lookup.get(&["sho", "pb"]), [0_u32; 0]);
        assert_eq!(Lookup::default().of(0), [0_u32; 0]);
    }
}
