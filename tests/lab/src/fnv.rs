//! Names for what is made from given bytes.

use std::fmt;

/// FNV-1a. It has to be the same in every process and with every compiler, which `DefaultHasher` does not promise.
pub(crate) struct Fnv(u64);

impl Fnv {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        // A separator, so that moving text from one file to the next is a change.
        self.0 = (self.0 ^ 0x100).wrapping_mul(0x0100_0000_01b3);
    }
}

impl fmt::Display for Fnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts() {
        let of = |parts: &[&str]| {
            let mut hash = Fnv::new();
            for part in parts {
                hash.write(part.as_bytes());
            }
            hash.to_string()
        };
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["a", "c"]));
        assert_ne!(of(&["a", "b"]), of(&["ab", ""]));
    }
}
