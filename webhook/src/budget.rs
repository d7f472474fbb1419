//! How much may be said, as Events or in the log: so much at once, and then so much per time.

use jiff::{SignedDuration, Timestamp};

/// A bucket that fills up with time.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    most: u32,
    every: SignedDuration,
    left: u32,
    /// Up to when the time that has passed has been turned into tokens.
    counted: Timestamp,
}

impl Budget {
    /// A full bucket: `most` at once, then one `every` so often.
    pub(crate) fn new(most: u32, every: SignedDuration, now: Timestamp) -> Self {
        Self {
            most,
            every,
            left: most,
            counted: now,
        }
    }

    /// How many may be said now.
    pub(crate) fn left(&mut self, now: Timestamp) -> usize {
        let passed = now.duration_since(self.counted);
        // A clock that was set back gives nothing, and must not take anything either.
        if passed.is_negative() {
            self.counted = now;
            return self.left as usize;
        }
        let every = self.every.as_millis().max(1);
        let earned = passed.as_millis() / every;
        if i128::from(self.most) <= earned + i128::from(self.left) {
            self.left = self.most;
            self.counted = now;
        } else if let Ok(earned) = i32::try_from(earned) {
            self.left += earned.cast_unsigned();
            self.counted = self
                .counted
                .saturating_add(self.every * earned)
                .unwrap_or(now);
        }
        self.left as usize
    }

    /// One was said.
    pub(crate) fn spend(&mut self) {
        self.left = self.left.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_burst_and_then_a_trickle() {
        let mut budget = Budget::new(3, SignedDuration::from_secs(10), at(0));
        assert_eq!(budget.left(at(0)), 3);
        for _ in 0..3 {
            budget.spend();
        }
        assert_eq!(budget.left(at(9)), 0);
        assert_eq!(budget.left(at(10)), 1);
        assert_eq!(
            budget.left(at(19)),
            1,
            "what was counted is not counted again"
        );
        assert_eq!(budget.left(at(20)), 2);
        assert_eq!(budget.left(at(100_000)), 3, "it does not overflow");
    }

    #[test]
    fn a_clock_that_jumps_back_is_survived() {
        let mut budget = Budget::new(2, SignedDuration::from_secs(10), at(1_000));
        budget.spend();
        assert_eq!(budget.left(at(0)), 1);
        assert_eq!(budget.left(at(10)), 2);
    }
}
