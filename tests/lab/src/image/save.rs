//! Archives that are an OCI image layout and, by one more file, what `docker load` reads.

use std::collections::BTreeSet;
use std::env::consts::ARCH;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::{Capability, Entry, Image, Packing, Saved, Start};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Writes the archive, and says what each image became.
pub(super) fn write(images: &[Image], archive: &Path) -> Result<Vec<Saved>> {
    let mut blobs = Blobs::new(Builder::new(BufWriter::new(File::create(archive)?)));
    let (mut saved, mut index, mut docker) = (Vec::new(), Vec::new(), Vec::new());
    for image in images {
        let files = layer(image)?;
        let config = config(&image.start, &digest_of(&files)).to_string();
        let config = blobs.put(CONFIG, config.as_bytes())?;
        let layer = match image.packing {
            Packing::None => blobs.put(LAYER, &files)?,
            Packing::Gzip => blobs.put(LAYER_GZIP, &gzip(&files)?)?,
        };
        let manifest = manifest(&config, &layer).to_string();
        let manifest = blobs.put(MANIFEST, manifest.as_bytes())?;
        index.push(entry(image, &manifest));
        docker.push(json!({
            "Config": config.path(),
            "Layers": [layer.path()],
            "RepoTags": [image.name],
        }));
        saved.push(Saved {
            name: image.name.clone(),
            size: [&layer, &config, &manifest]
                .iter()
                .map(|blob| blob.size)
                .sum(),
            digest: manifest.digest,
        });
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": index});
    let mut tar = blobs.tar;
    for (file, value) in [
        ("index.json", index),
        ("manifest.json", docker.into()),
        ("oci-layout", json!({"imageLayoutVersion": "1.0.0"})),
    ] {
        append(&mut tar, file, 0o644, value.to_string().as_bytes())?;
    }
    tar.into_inner()?.flush()?;
    Ok(saved)
}

/// What is stored under its digest, each only once.
struct Blobs<W: Write> {
    tar: Builder<W>,
    there: BTreeSet<String>,
}

struct Blob {
    media_type: &'static str,
    digest: String,
    size: u64,
}

impl<W: Write> Blobs<W> {
    const fn new(tar: Builder<W>) -> Self {
        Self {
            tar,
            there: BTreeSet::new(),
        }
    }

    fn put(&mut self, media_type: &'static str, bytes: &[u8]) -> Result<Blob> {
        let blob = Blob {
            media_type,
            digest: digest_of(bytes),
            size: bytes.len() as u64,
        };
        if self.there.insert(blob.digest.clone()) {
            append(&mut self.tar, &blob.path(), 0o644, bytes)?;
        }
        Ok(blob)
    }
}

impl Blob {
    fn path(&self) -> String {
        format!("blobs/{}", self.digest.replace(':', "/"))
    }

    fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.size})
    }
}

fn manifest(config: &Blob, layer: &Blob) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor(),
        "layers": [layer.descriptor()],
    })
}

/// One line of the index. Readers of OCI know a tag only; containerd and Docker also look for the complete name.
fn entry(image: &Image, manifest: &Blob) -> Value {
    let tag = image.name.rsplit(':').next().unwrap_or_default();
    let mut entry = manifest.descriptor();
    entry["annotations"] = json!({
        "io.containerd.image.name": image.name,
        "org.opencontainers.image.ref.name": tag,
    });
    entry["platform"] = json!({"architecture": architecture(), "os": "linux"});
    entry
}

/// All files of the image, as they are.
fn layer(image: &Image) -> Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for (path, entry) in &image.entries {
        match entry {
            Entry::Folder { mode } => {
                let mut header = header(*mode, 0);
                header.set_entry_type(EntryType::Directory);
                tar.append_data(&mut header, format!("{path}/"), &[][..])?;
            }
            Entry::Link(target) => {
                let mut header = header(0o777, 0);
                header.set_entry_type(EntryType::Symlink);
                tar.append_link(&mut header, path, target)?;
            }
            Entry::Text(text) => append(&mut tar, path, 0o644, text.as_bytes())?,
            Entry::File { source, capability } => {
                let bytes =
                    fs::read(source).with_context(|| format!("reading {}", source.display()))?;
                if let Some(capability) = capability {
                    let attribute = attribute(*capability);
                    tar.append_pax_extensions([(
                        "SCHILY.xattr.security.capability",
                        &attribute[..],
                    )])?;
                }
                append(&mut tar, path, 0o755, &bytes)?;
            }
        }
    }
    Ok(tar.into_inner()?)
}

/// The quick way, which keeps a program at half its size; the best way would save a tenth of that. No time gets in.
fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes)?;
    Ok(packed.finish()?)
}

/// The extended attribute `security.capability`, version 2, of linux/capability.h: a magic number with the flag that
/// makes the rights effective, then the lower and upper halves of the permitted and inheritable sets.
fn attribute(capability: Capability) -> Vec<u8> {
    let number = match capability {
        Capability::NetBindService => 10,
    };
    let words: [u32; 5] = [0x0200_0001, 1 << number, 0, 0, 0];
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn config(start: &Start, layer_digest: &str) -> Value {
    json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "Entrypoint": start.entrypoint,
            "Cmd": start.command,
            "User": start.user,
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "WorkingDir": "/",
            "Labels": start.labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
    })
}

/// As Go, and so every tool for containers, calls the architecture of this machine.
fn architecture() -> &'static str {
    match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn append(tar: &mut Builder<impl Write>, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
    let mut header = header(mode, bytes.len());
    Ok(tar.append_data(&mut header, path, bytes)?)
}

fn header(mode: u32, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(mode);
    header.set_size(size as u64);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// As descriptors and configurations write it.
fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256(bytes))
}

/// The digest in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
