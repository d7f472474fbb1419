use std::collections::BTreeMap;
use std::io::Read;

use serde_json::Value;
use tar::Archive;

use super::*;

fn sample(folder: &Path) -> Image {
    let program = folder.join("program");
    fs::write(&program, "#!/bin/sh\n").unwrap();
    Image::new("example.com/sample:1")
        .file("/usr/bin/program", &program)
        .file_with("/server", &program, Capability::NetBindService)
        .link("/bin/program", "/usr/bin/program")
        .text("/etc/motd", "hello\n")
        .folder("/tmp", 0o1777)
        .entrypoint(&["/usr/bin/program"])
        .command(&["--verbose"])
        .label("org.opencontainers.image.title", "sample")
        .user(65532)
}

fn saved(images: &[Image], folder: &Path) -> Vec<u8> {
    let file = folder.join("images.tar");
    Image::save(images, &file).unwrap();
    fs::read(file).unwrap()
}

/// Path → (what `ls` would show, contents).
fn unpacked(archive: &[u8]) -> BTreeMap<String, (String, Vec<u8>)> {
    let mut archive = Archive::new(archive);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let header = entry.header().clone();
        let target = entry.link_name().unwrap();
        let target = target.map_or_else(String::new, |to| format!(" -> {}", to.display()));
        let rights: Vec<_> = entry
            .pax_extensions()
            .unwrap()
            .into_iter()
            .flatten()
            .map(|pair| format!(" {}", pair.unwrap().key().unwrap()))
            .collect();
        let shown = format!(
            "{:?} {:o} {}:{} {}{target}{}",
            header.entry_type(),
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.gid().unwrap(),
            header.mtime().unwrap(),
            rights.concat()
        );
        let path = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (path, (shown, bytes))
    });
    entries.collect()
}

fn json(archive: &BTreeMap<String, (String, Vec<u8>)>, file: &str) -> Value {
    serde_json::from_slice(&archive[file].1).unwrap()
}

/// The blob that a descriptor leads to, which has to be as long as stated, and what its digest says.
fn blob<'a>(archive: &'a BTreeMap<String, (String, Vec<u8>)>, descriptor: &Value) -> &'a [u8] {
    let digest = descriptor["digest"].as_str().unwrap();
    let hexadecimal = digest.strip_prefix("sha256:").unwrap();
    let bytes = &archive[&format!("blobs/sha256/{hexadecimal}")].1;
    assert_eq!(save::sha256(bytes), hexadecimal);
    assert_eq!(descriptor["size"], bytes.len());
    bytes
}

#[test]
fn an_archive_is_what_docker_load_reads() {
    let folder = tempfile::tempdir().unwrap();
    let archive = unpacked(&saved(&[sample(folder.path())], folder.path()));

    let manifest = json(&archive, "manifest.json");
    assert_eq!(manifest.as_array().unwrap().len(), 1);
    assert_eq!(manifest[0]["RepoTags"][0], "example.com/sample:1");
    let layer = &archive[manifest[0]["Layers"][0].as_str().unwrap()].1;
    let config = json(&archive, manifest[0]["Config"].as_str().unwrap());

    // The digest in the configuration is the one that the path of the layer states, and the sum of its bytes.
    let digest = save::sha256(layer);
    assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{digest}"));
    assert_eq!(manifest[0]["Layers"][0], format!("blobs/sha256/{digest}"));
    assert_eq!(config["config"]["Entrypoint"][0], "/usr/bin/program");
    assert_eq!(config["config"]["Cmd"][0], "--verbose");
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(
        config["config"]["Labels"]["org.opencontainers.image.title"],
        "sample"
    );
    assert_eq!(config["os"], "linux");
}

#[test]
fn an_archive_is_an_image_layout_of_the_oci() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("images.tar");
    // Two images of the same files: what is in both is there once.
    let twin = Image {
        name: "example.com:5000/twin:2".to_owned(),
        ..sample(folder.path())
    };
    let saved = Image::save(&[sample(folder.path()), twin], &file).unwrap();
    let archive = unpacked(&fs::read(file).unwrap());

    let layout = json(&archive, "oci-layout");
    assert_eq!(layout["imageLayoutVersion"], "1.0.0");
    let index = json(&archive, "index.json");
    let [first, second] = &index["manifests"].as_array().unwrap()[..] else {
        panic!("two images, not {index}");
    };
    assert_eq!(first["digest"], second["digest"]);
    let names = &first["annotations"];
    assert_eq!(names["io.containerd.image.name"], "example.com/sample:1");
    assert_eq!(names["org.opencontainers.image.ref.name"], "1");

    let manifest = blob(&archive, first);
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    let config = blob(&archive, &manifest["config"]);
    let layer = blob(&archive, &manifest["layers"][0]);
    let config: Value = serde_json::from_slice(config).unwrap();
    assert_eq!(
        config["rootfs"]["diff_ids"][0],
        manifest["layers"][0]["digest"]
    );
    assert!(unpacked(layer).contains_key("usr/bin/program"));

    assert_eq!(saved.len(), 2);
    assert_eq!(saved[0].name, "example.com/sample:1");
    assert_eq!(saved[0].digest, first["digest"].as_str().unwrap());
    let blobs = archive
        .iter()
        .filter(|(path, _)| path.starts_with("blobs/"));
    let all: u64 = blobs.map(|(_, (_, bytes))| bytes.len() as u64).sum();
    assert_eq!(saved[0].size, all);
}

#[test]
fn a_packed_layer_is_the_same_layer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("images.tar");
    Image::save(&[sample(folder.path()).packed()], &file).unwrap();
    let archive = unpacked(&fs::read(file).unwrap());
    let index = json(&archive, "index.json");
    let manifest: Value = serde_json::from_slice(blob(&archive, &index["manifests"][0])).unwrap();
    let layer = &manifest["layers"][0];
    assert_eq!(
        layer["mediaType"],
        "application/vnd.oci.image.layer.v1.tar+gzip"
    );
    let mut files = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(blob(&archive, layer));
    reader.read_to_end(&mut files).unwrap();
    assert!(unpacked(&files).contains_key("usr/bin/program"));
    // The configuration states the digest of what comes out of it.
    let config: Value = serde_json::from_slice(blob(&archive, &manifest["config"])).unwrap();
    assert_eq!(
        config["rootfs"]["diff_ids"][0],
        format!("sha256:{}", save::sha256(&files))
    );
}

#[test]
fn digests_are_sha_256() {
    // The example of FIPS 180-2.
    assert_eq!(
        save::sha256(b"abc"),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

#[test]
fn a_layer_holds_the_files_and_the_folders_above_them() {
    let folder = tempfile::tempdir().unwrap();
    let archive = unpacked(&saved(&[sample(folder.path())], folder.path()));
    let manifest = json(&archive, "manifest.json");
    let files = unpacked(&archive[manifest[0]["Layers"][0].as_str().unwrap()].1);

    let shown: Vec<_> = files
        .iter()
        .map(|(path, (shown, _))| format!("{path} {shown}"))
        .collect();
    assert_eq!(
        shown,
        [
            "bin/ Directory 755 0:0 0",
            "bin/program Symlink 777 0:0 0 -> /usr/bin/program",
            "etc/ Directory 755 0:0 0",
            "etc/motd Regular 644 0:0 0",
            "server Regular 755 0:0 0 SCHILY.xattr.security.capability",
            "tmp/ Directory 1777 0:0 0",
            "usr/ Directory 755 0:0 0",
            "usr/bin/ Directory 755 0:0 0",
            "usr/bin/program Regular 755 0:0 0",
        ]
    );
    assert_eq!(files["etc/motd"].1, b"hello\n");
    assert_eq!(files["usr/bin/program"].1, b"#!/bin/sh\n");
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let images = |folder: &Path| [sample(folder), Image::new("example.com/empty:1")];
    let bytes = saved(&images(one.path()), one.path());
    assert_eq!(bytes, saved(&images(other.path()), other.path()));
    assert_eq!(
        bytes,
        saved(&images(one.path()), one.path()),
        "replaced by the same"
    );

    fs::write(other.path().join("program"), "#!/bin/false\n").unwrap();
    let changed =
        [Image::new("example.com/sample:1").file("/program", other.path().join("program"))];
    assert_ne!(bytes, saved(&changed, other.path()));
}

#[test]
fn a_missing_file_is_named_and_nothing_half_written_stays() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    let error = Image::save(
        &[Image::new("example.com/broken:1").file("/gone", &gone)],
        &folder.path().join("images.tar"),
    )
    .unwrap_err();
    assert!(format!("{error:#}").contains("gone"), "{error:#}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_new_version_of_a_file_is_another_archive() {
    let folder = tempfile::tempdir().unwrap();
    let images = [sample(folder.path())];
    let before = fingerprint(&images).unwrap().to_string();
    assert_eq!(before, fingerprint(&images).unwrap().to_string());
    fs::write(folder.path().join("program"), "#!/bin/sh\n# longer\n").unwrap();
    assert_ne!(before, fingerprint(&images).unwrap().to_string());
    let named = [sample(folder.path()).command(&[])];
    assert_ne!(before, fingerprint(&named).unwrap().to_string());
}

/// The binaries are the user's own build of the versions that the names state.
#[test]
fn the_images_of_the_lab_are_complete() {
    let Some(components) = components::installed().unwrap() else {
        eprintln!("skipped: the components are not built");
        return;
    };
    if !Path::new(BUSYBOX).is_file() {
        eprintln!("skipped: there is no {BUSYBOX}");
        return;
    }
    let images = images(&components).unwrap();
    let names: Vec<_> = images.iter().map(|image| image.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "registry.k8s.io/pause:3.10.1",
            "registry.k8s.io/e2e-test-images/agnhost:2.59",
            "registry.k8s.io/coredns/coredns:v1.14.7",
        ]
    );
    for program in [
        "bin/sh",
        "bin/ping",
        "bin/nc",
        "usr/bin/nslookup",
        "usr/bin/wget",
    ] {
        let found = images[1]
            .entries
            .keys()
            .any(|path| path.rsplit('/').next() == program.rsplit('/').next());
        assert!(found, "{program}");
    }
    for image in &images {
        for (path, entry) in &image.entries {
            if let Entry::File { source, .. } = entry {
                assert!(
                    source.is_file(),
                    "{path} of {} comes from {}",
                    image.name,
                    source.display()
                );
            }
        }
    }
    let coredns = Command::new(components.path("coredns"))
        .arg("-version")
        .output()
        .unwrap();
    let version = String::from_utf8(coredns.stdout).unwrap();
    assert!(
        version.starts_with(&format!("CoreDNS-{COREDNS_VERSION}\n")),
        "{version}"
    );
}
