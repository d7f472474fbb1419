//! The plain block style that nearly all manifests are written in.

use super::Content;

/// Reads a document that uses nothing but the common forms. Absent if it needs the whole of YAML.
pub(super) fn read(_text: &str) -> Option<Content> {
    None
}
