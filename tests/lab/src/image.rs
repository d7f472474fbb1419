//! Container images without a builder: a list of files, written as an archive that is an OCI image layout and what
//! `docker save` writes at once, as Docker itself does it since version 25.
//!
//! ```text
//! lab-<hash>.tar ── blobs/sha256/<digest>    per image: the layer with all of its files, the configuration (entry
//!                │                           point, user, labels, digest of the layer), the manifest that binds both
//!                ├─ index.json               which names belong to which manifests, for everybody who reads OCI
//!                ├─ manifest.json            which names, configurations and layers belong together, for Docker
//!                └─ oci-layout
//! ```
//!
//! The same files give the same bytes: entries are sorted, belong to root and are as old as the epoch. The images have
//! the names of those that they stand for, so that manifests of the lab look like anybody's.

pub mod product;
mod save;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context, Result, ensure};

use crate::components::{self, AGNHOST_VERSION, COREDNS_VERSION, Components};
use crate::fnv::Fnv;

/// The image that keeps a pod's namespaces open, of the version that goes with Kubernetes 1.35.
pub const PAUSE: &str = "registry.k8s.io/pause:3.10.1";

/// Where Debian's `busybox-static` puts it.
pub(crate) const BUSYBOX: &str = "/bin/busybox";

/// Counts changes of how archives are written, so that those in the cache are not taken for new ones.
const FORMAT: u32 = 2;

/// The name of the Kubernetes project's own test image: `agnhost`, and here also all of busybox (`sh`, `ping`, `nc`,
/// `nslookup`, and `wget` for literal addresses).
pub fn agnhost() -> String {
    format!("registry.k8s.io/e2e-test-images/agnhost:{AGNHOST_VERSION}")
}

/// The name of CoreDNS's image. As upstream, `/coredns` runs as user 65532 and has a file capability for port 53, so
/// the container needs `capabilities: {add: [NET_BIND_SERVICE], drop: [ALL]}` or the default ones.
pub fn coredns() -> String {
    format!("registry.k8s.io/coredns/coredns:v{COREDNS_VERSION}")
}

/// What is in an image, and how it starts.
#[derive(Debug, Clone)]
pub struct Image {
    name: String,
    entries: BTreeMap<String, Entry>,
    start: Start,
    packing: Packing,
}

/// How the files of an image are kept in its archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Packing {
    /// As they are: nodes on the same machine need longer to unpack than to copy.
    #[default]
    None,
    /// Small, for whoever pulls it.
    Gzip,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Folder {
        mode: u32,
    },
    Text(String),
    Link(String),
    File {
        source: PathBuf,
        capability: Option<Capability>,
    },
}

/// A right that a program gets from its file, whoever runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Listening on ports below 1024.
    NetBindService,
}

#[derive(Debug, Clone, Default)]
struct Start {
    entrypoint: Vec<String>,
    command: Vec<String>,
    user: String,
    labels: BTreeMap<String, String>,
}

/// What became of an image in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The complete name.
    pub name: String,
    /// The digest of its manifest, by which registries and nodes know it: `sha256:` and 64 digits.
    pub digest: String,
    /// Bytes of layer, configuration and manifest together, as a registry keeps them.
    pub size: u64,
}

impl Image {
    /// An empty image. The name is complete, with registry and tag.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            entries: BTreeMap::new(),
            start: Start::default(),
            packing: Packing::None,
        }
    }

    /// Adds a program or any other file of this machine, readable and executable for all. Paths in images are absolute.
    #[must_use]
    pub fn file(self, path: &str, source: impl Into<PathBuf>) -> Self {
        let source = source.into();
        self.entry(
            path,
            Entry::File {
                source,
                capability: None,
            },
        )
    }

    /// The same for a program that needs a right which its user does not have.
    #[must_use]
    pub fn file_with(self, path: &str, source: impl Into<PathBuf>, right: Capability) -> Self {
        let source = source.into();
        self.entry(
            path,
            Entry::File {
                source,
                capability: Some(right),
            },
        )
    }

    /// Adds a text file, readable for all.
    #[must_use]
    pub fn text(self, path: &str, text: impl Into<String>) -> Self {
        self.entry(path, Entry::Text(text.into()))
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(self, path: &str, target: &str) -> Self {
        self.entry(path, Entry::Link(target.to_owned()))
    }

    /// Adds an empty folder. Folders above files appear by themselves, with mode 755.
    #[must_use]
    pub fn folder(self, path: &str, mode: u32) -> Self {
        self.entry(path, Entry::Folder { mode })
    }

    /// Adds busybox and a link for each of its programs.
    pub fn busybox(self) -> Result<Self> {
        let listed = Command::new(BUSYBOX)
            .arg("--list-full")
            .output()
            .with_context(|| format!("running {BUSYBOX}"))?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        ensure!(
            listed.lines().any(|line| line == "bin/sh"),
            "{BUSYBOX} does not say which programs it is"
        );
        let programs = listed.lines().filter(|line| {
            // `linuxrc` stands in the root, and busybox itself is there already.
            line.contains('/') && !line.ends_with("/busybox")
        });
        Ok(
            programs.fold(self.file(BUSYBOX, BUSYBOX), |image, program| {
                image.link(&format!("/{program}"), BUSYBOX)
            }),
        )
    }

    /// What runs, with the first arguments, whatever a pod's `args` are.
    #[must_use]
    pub fn entrypoint(mut self, words: &[&str]) -> Self {
        self.start.entrypoint = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// What follows the entry point unless a pod has `args`.
    #[must_use]
    pub fn command(mut self, words: &[&str]) -> Self {
        self.start.command = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// The user, by number, so that `runAsNonRoot` can be judged. Root unless stated.
    #[must_use]
    pub fn user(mut self, id: u32) -> Self {
        self.start.user = format!("{id}:{id}");
        self
    }

    /// Packs the files, as images are that travel.
    #[must_use]
    pub fn packed(mut self) -> Self {
        self.packing = Packing::Gzip;
        self
    }

    /// Says something about the image, under a name such as those of the OCI (`org.opencontainers.image.title`).
    #[must_use]
    pub fn label(mut self, name: &str, text: impl Into<String>) -> Self {
        self.start.labels.insert(name.to_owned(), text.into());
        self
    }

    /// Writes an archive of images for [`crate::Lab::load`], `ctr image import` and `docker load`. What was at that path is
    /// replaced at once, when all is written.
    pub fn save(images: &[Self], archive: &Path) -> Result<Vec<Saved>> {
        let unfinished = archive.with_extension(format!("unfinished-{}", process::id()));
        let outcome = save::write(images, &unfinished)
            .and_then(|saved| {
                fs::rename(&unfinished, archive)?;
                Ok(saved)
            })
            .with_context(|| format!("writing {}", archive.display()));
        if outcome.is_err() {
            // The error that matters is the one above; the file may not even be there.
            let _ = fs::remove_file(&unfinished);
        }
        outcome
    }

    fn entry(mut self, path: &str, entry: Entry) -> Self {
        let path = path.trim_matches('/');
        for (end, _) in path.match_indices('/') {
            let above = Entry::Folder { mode: 0o755 };
            let above = self.entries.entry(path[..end].to_owned()).or_insert(above);
            debug_assert!(
                matches!(above, Entry::Folder { .. }),
                "{path} is below a file"
            );
        }
        self.entries.insert(path.to_owned(), entry);
        self
    }
}

/// The archive with all images of the lab: pause, agnhost and CoreDNS. It is made once per version of what is in it.
pub fn archive(components: &Components) -> Result<PathBuf> {
    let images = images(components)?;
    let archive = components::cache()?.join(format!("lab-{}.tar", fingerprint(&images)?));
    if !archive.is_file() {
        Image::save(&images, &archive)?;
    }
    Ok(archive)
}

fn images(components: &Components) -> Result<Vec<Image>> {
    Ok(vec![
        // A pause that weighs nothing. The runtime ends it with SIGKILL, so it need not listen to anything.
        Image::new(PAUSE)
            .busybox()?
            .entrypoint(&["/bin/sleep", "inf"])
            .user(65535),
        Image::new(agnhost())
            .busybox()?
            .file("/agnhost", components.path("agnhost"))
            .text(
                "/etc/passwd",
                "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
            )
            .text("/etc/group", "root:x:0:\nnogroup:x:65534:\n")
            .text("/etc/nsswitch.conf", "hosts: files dns\n")
            .folder("/root", 0o700)
            .folder("/tmp", 0o1777)
            // Where `agnhost netexec` keeps what is posted to it.
            .folder("/uploads", 0o755)
            .entrypoint(&["/agnhost"])
            .command(&["pause"]),
        Image::new(coredns())
            .file_with(
                "/coredns",
                components.path("coredns"),
                Capability::NetBindService,
            )
            .text(
                "/etc/passwd",
                "nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n",
            )
            .text("/etc/group", "nonroot:x:65532:\n")
            .text("/etc/nsswitch.conf", "hosts: files dns\n")
            .entrypoint(&["/coredns"])
            .user(65532),
    ])
}

/// Names what the archive would be: everything stated here, and which version of each file of the machine.
fn fingerprint(images: &[Image]) -> Result<Fnv> {
    let mut hash = Fnv::new();
    hash.write(&FORMAT.to_le_bytes());
    for image in images {
        hash.write(format!("{image:?}").as_bytes());
        for entry in image.entries.values() {
            if let Entry::File { source, .. } = entry {
                let file = fs::metadata(source)
                    .with_context(|| format!("reading {}", source.display()))?;
                hash.write(&file.len().to_le_bytes());
                hash.write(&file.mtime().to_le_bytes());
            }
        }
    }
    Ok(hash)
}

#[cfg(test)]
mod tests;
