//! Bundles: a redacted snapshot as one JSON document, gzip when the name ends in `.gz`.
//!
//! A bundle holds the clock, the scope, what was listed and what could not be, and the objects as
//! `netdoctor_engine::redact` leaves them. Replayed, it gives the report that the cluster gave.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use jiff::Timestamp;
use netdoctor_engine::facts::StatedFacts;
use netdoctor_engine::load::{self, Place};
use netdoctor_engine::model::Kind;
use netdoctor_engine::snapshot::{Builder, Coverage, Gap, GapCause, Source};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Input;
use crate::outcome::Sources;

/// `apiVersion` of our documents.
pub(crate) const API_VERSION: &str = "netdoctor.io/v1alpha1";
const KIND: &str = "Bundle";
/// Raised when a bundle can no longer be read by an older version.
const SCHEMA_VERSION: u32 = 1;
/// A bundle is read into memory as a whole; more than this is no bundle of ours.
const MOST_BYTES: u64 = 4 << 30;

/// The document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bundle {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) schema_version: u32,
    pub(crate) tool: Tool,
    pub(crate) metadata: Metadata,
    pub(crate) spec: Scope,
    pub(crate) listed: Vec<Listed>,
    pub(crate) objects: Vec<Value>,
}

/// Who wrote it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tool {
    pub(crate) version: String,
}

/// When.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Metadata {
    /// The API server's clock.
    pub(crate) now: Timestamp,
}

/// What was asked for.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Scope {
    /// One namespace; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
}

/// What was listed of one kind.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    /// `plural.group`.
    pub(crate) resource: String,
    pub(crate) everywhere: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) namespaces: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) not_installed: bool,
    pub(crate) count: usize,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) resource_version: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) gaps: Vec<SavedGap>,
}

/// A read that failed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedGap {
    verb: String,
    resource: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    cause: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

/// The names of causes in a bundle.
const CAUSES: [(&str, GapCause); 10] = [
    ("forbidden", GapCause::Forbidden),
    ("unauthorized", GapCause::Unauthorized),
    ("timeout", GapCause::Timeout),
    ("expired", GapCause::Expired),
    ("tooManyRequests", GapCause::TooManyRequests),
    ("cut", GapCause::Cut),
    ("notKubernetes", GapCause::NotKubernetes),
    ("connection", GapCause::Connection),
    ("notRead", GapCause::NotRead),
    ("rawList", GapCause::RawList),
];

impl SavedGap {
    fn new(gap: &Gap) -> Self {
        let (cause, status) = match &gap.cause {
            GapCause::Server(status) => ("server", Some(*status)),
            cause => (
                CAUSES
                    .iter()
                    .find(|(_, known)| known == cause)
                    .map_or("notRead", |(name, _)| *name),
                None,
            ),
        };
        Self {
            verb: gap.verb.to_string(),
            resource: gap.resource.to_string(),
            namespace: gap.namespace.as_deref().map(str::to_owned),
            cause: cause.to_owned(),
            status,
        }
    }

    fn gap(&self) -> Gap {
        let known = CAUSES
            .iter()
            .find(|(name, _)| *name == self.cause)
            .map(|(_, cause)| cause.clone());
        // A cause of a newer version: still a gap, never "missing".
        let cause = known.unwrap_or(GapCause::Server(self.status.unwrap_or(500)));
        Gap {
            verb: self.verb.as_str().into(),
            resource: self.resource.as_str().into(),
            namespace: self.namespace.as_deref().map(Into::into),
            cause,
        }
    }
}

/// Puts a bundle together.
pub(crate) fn make(
    namespace: Option<&str>,
    now: Timestamp,
    coverage: &BTreeMap<Kind, Coverage>,
    objects: Vec<Value>,
) -> Bundle {
    let listed = coverage.iter().map(|(kind, coverage)| Listed {
        resource: kind.resource(),
        everywhere: coverage.everywhere,
        namespaces: coverage
            .namespaces
            .iter()
            .map(ToString::to_string)
            .collect(),
        not_installed: coverage.not_installed,
        count: coverage.count,
        resource_version: coverage.resource_version.to_string(),
        gaps: coverage.gaps.iter().map(SavedGap::new).collect(),
    });
    Bundle {
        api_version: API_VERSION.into(),
        kind: KIND.into(),
        schema_version: SCHEMA_VERSION,
        tool: Tool {
            version: env!("CARGO_PKG_VERSION").into(),
        },
        metadata: Metadata { now },
        spec: Scope {
            namespace: namespace.map(str::to_owned),
        },
        listed: listed.collect(),
        objects,
    }
}

/// Writes a bundle; `-` is standard output. The file appears complete or not at all.
pub(crate) fn write(bundle: &Bundle, path: &Path) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec(bundle)?;
    text.push(b'\n');
    if path.as_os_str() == "-" {
        std::io::stdout().write_all(&text)?;
        return Ok(());
    }
    if path.extension().is_some_and(|ending| ending == "gz") {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&text)?;
        text = encoder.finish()?;
    }
    let unwritable =
        |error| anyhow::anyhow!("error: {} cannot be written: {error}", path.display());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    std::fs::write(&partial, &text).map_err(unwritable)?;
    std::fs::rename(&partial, path).map_err(unwritable)
}

/// The text of a bundle, unpacked; `None` when the file is something else.
pub(crate) fn text_of(bytes: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
    let unpacked;
    let text = if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut buffer = Vec::new();
        GzDecoder::new(bytes)
            .take(MOST_BYTES)
            .read_to_end(&mut buffer)
            .map_err(|error| anyhow::anyhow!("error: the file is damaged: {error}"))?;
        unpacked = buffer;
        unpacked.as_slice()
    } else {
        bytes
    };
    // Ours begin with the apiVersion; anything else is read as a list of objects.
    let head =
        String::from_utf8_lossy(&text[..text.len().min(512)]).replace([' ', '\n', '\t', '\r'], "");
    let ours =
        head.starts_with("{\"apiVersion\":\"netdoctor.io/") && head.contains("\"kind\":\"Bundle\"");
    Ok((ours || bytes.starts_with(&[0x1f, 0x8b])).then(|| text.to_vec()))
}

/// Parses a bundle.
pub(crate) fn parse(text: &[u8]) -> anyhow::Result<Bundle> {
    let bundle: Bundle = serde_json::from_slice(text)
        .map_err(|error| anyhow::anyhow!("this is no complete bundle: {error}"))?;
    anyhow::ensure!(
        bundle.kind == KIND && bundle.api_version.starts_with("netdoctor.io/"),
        "this is no bundle"
    );
    anyhow::ensure!(
        bundle.schema_version <= SCHEMA_VERSION,
        "the bundle was written by version {} and needs a newer netdoctor",
        bundle.tool.version
    );
    Ok(bundle)
}

/// Reads a bundle into a snapshot.
pub(crate) fn read(
    text: &[u8],
    namespace: Option<&str>,
    facts: StatedFacts,
) -> anyhow::Result<Input> {
    let bundle = parse(text)?;
    let mut builder = Builder::new(Source::Cluster);
    builder.scope(namespace.or(bundle.spec.namespace.as_deref()));
    builder.state(facts);
    for (number, object) in (0..).zip(bundle.objects) {
        let place = Place {
            file: None,
            namespace: "default",
        };
        load::document(place, number, object, &mut |any| builder.insert(any));
    }
    for listed in bundle.listed {
        let Some(kind) = Kind::all().find(|kind| kind.resource() == listed.resource) else {
            continue;
        };
        *builder.coverage(kind) = Coverage {
            everywhere: listed.everywhere,
            namespaces: listed
                .namespaces
                .iter()
                .map(|namespace| namespace.as_str().into())
                .collect(),
            not_installed: listed.not_installed,
            gaps: listed.gaps.iter().map(SavedGap::gap).collect(),
            count: listed.count,
            resource_version: listed.resource_version.into(),
            ..Coverage::default()
        };
    }
    Ok(Input {
        snapshot: builder.seal(),
        sources: Sources::default(),
        problems: Vec::new(),
        notes: Vec::new(),
        clock: Some(bundle.metadata.now),
    })
}
