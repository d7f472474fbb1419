//! Sets of nodes, small enough to keep one per kind of placement and quick to compare.

use super::{Fit, Placement};
use crate::model::Node;

/// The nodes that a placement may use, whatever state they are in now: readiness and cordons come and go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeSet {
    /// One bit per node, in the order of the store.
    bits: Vec<u64>,
    /// A node could not be judged, and is in.
    pub unsure: bool,
}

impl NodeSet {
    /// Judges every node.
    pub fn of<'a>(placement: Placement<'_>, nodes: impl Iterator<Item = &'a Node>) -> Self {
        let mut set = Self::default();
        for (position, node) in nodes.enumerate() {
            match placement.may_use(node) {
                Fit::No => continue,
                Fit::Unsure => set.unsure = true,
                Fit::Yes => {}
            }
            set.insert(position);
        }
        set
    }

    /// One node.
    pub fn single(position: usize) -> Self {
        let mut set = Self::default();
        set.insert(position);
        set
    }

    fn insert(&mut self, position: usize) {
        let word = position / 64;
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        self.bits[word] |= 1 << (position % 64);
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.bits
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|word| *word == 0)
    }

    /// Number of nodes in both.
    pub fn common(&self, other: &Self) -> usize {
        let pairs = self.bits.iter().zip(&other.bits);
        pairs.map(|(a, b)| (a & b).count_ones() as usize).sum()
    }

    /// The first node in both, by position.
    pub fn first_common(&self, other: &Self) -> Option<usize> {
        let words = self.bits.iter().zip(&other.bits).map(|(a, b)| a & b);
        words
            .enumerate()
            .find(|(_, word)| *word != 0)
            .map(|(at, word)| at * 64 + word.trailing_zeros() as usize)
    }

    /// Whether every node of `other` is in.
    pub fn holds(&self, other: &Self) -> bool {
        self.common(other) == other.len()
    }
}

#[cfg(test)]
mod tests {
    use super::NodeSet;

    #[test]
    fn sets_of_more_than_one_word_are_counted_and_compared() {
        let mut wide = NodeSet::single(3);
        wide.insert(200);
        let narrow = NodeSet::single(200);
        assert_eq!(
            (wide.len(), wide.common(&narrow), narrow.common(&wide)),
            (2, 1, 1)
        );
        assert!(wide.holds(&narrow) && !narrow.holds(&wide));
        assert_eq!(wide.first_common(&narrow), Some(200));
        assert!(NodeSet::default().is_empty() && !narrow.is_empty());
        assert_eq!(NodeSet::single(3).first_common(&narrow), None);
    }
}
