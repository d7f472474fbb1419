//! The image of what this project ships: webhook and plugin, and nothing that they would need besides.
//!
//! Both are built with glibc inside of them, so the image needs no libraries, and no other image below it. The same
//! sources and the same compiler give the same bytes: paths of the machine do not get into the programs, and times not
//! into the image.

use std::env::{self, consts::ARCH};
use std::ffi::OsString;
use std::fs;
use std::io::{IsTerminal as _, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Image, Saved};

/// Bytes that the image may have, as a registry keeps it and a node pulls it.
pub const LARGEST: u64 = 40_000_000;

/// The profile of cargo that is shipped.
pub const RELEASE: &str = "release";

/// The profile of cargo for tests: what it builds is half as fast, and it builds in a quarter of the time.
pub const TRIAL: &str = "trial";

/// Packages, and the programs that they consist of. The first one is what the image runs.
const PROGRAMS: [&str; 2] = ["netdoctor-webhook", "kubectl-netdoctor"];

/// User and group, by number, so that `runAsNonRoot` can be judged.
const USER: u32 = 65_532;

/// What [`build`] made.
#[derive(Debug, Clone)]
pub struct Product {
    /// The image in its archive.
    pub image: Saved,
    /// The archive, for `docker load`, `ctr image import` and [`crate::Lab::load`].
    pub archive: PathBuf,
    /// The programs in it.
    pub programs: Vec<Program>,
}

/// One of the programs, as it was built.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Where cargo left it. It runs on this machine as well.
    pub path: PathBuf,
    /// Its bytes.
    pub size: u64,
}

/// Builds the programs in this profile of cargo, as far as they are not up to date, and writes their image. Without a path
/// for the archive it is `image/PROFILE.tar` in the build folder.
///
/// The name is the one that the manifests use unless somebody names another.
pub fn build(profile: &str, archive: Option<&Path>) -> Result<Product> {
    let programs = compile(profile)?;
    let workspace = metadata()?;
    let archive = match archive {
        Some(archive) => archive.to_owned(),
        None => default_archive(&workspace, profile)?,
    };
    let [webhook, plugin] = &programs;
    let image = Image::new(name(&plugin.path)?)
        .file(&format!("/{}", webhook.name), &webhook.path)
        .file(&format!("/{}", plugin.name), &plugin.path)
        // Without these the group would be that of root, since Kubernetes takes only the user from the image.
        .text(
            "/etc/passwd",
            format!("nonroot:x:{USER}:{USER}:nonroot:/:/sbin/nologin\n"),
        )
        .text("/etc/group", format!("nonroot:x:{USER}:\n"))
        // Without it the C library asks DNS before it looks into /etc/hosts.
        .text("/etc/nsswitch.conf", "hosts: files dns\n")
        .entrypoint(&[&format!("/{}", webhook.name)])
        .user(USER)
        .packed();
    let image = labelled(image, &workspace);
    let saved = Image::save(&[image], &archive)?;
    let [image] = &saved[..] else {
        anyhow::bail!("one image became {}", saved.len());
    };
    ensure!(
        image.size <= LARGEST,
        "the image has {} bytes; more than {LARGEST} is too much",
        image.size
    );
    Ok(Product {
        image: image.clone(),
        archive,
        programs: programs.into(),
    })
}

fn compile(profile: &str) -> Result<[Program; 2]> {
    let mut build = cargo("build");
    build
        .args(["--locked", "--bins", "--profile", profile])
        // Named although it is that of this machine: only so are procedural macros and build scripts, which a static
        // program could not load, built without the flags below.
        .args(["--target", &format!("{ARCH}-unknown-linux-gnu")])
        .args(PROGRAMS.iter().flat_map(|name| ["--package", name]))
        .arg("--message-format=json-render-diagnostics")
        .env("CARGO_ENCODED_RUSTFLAGS", flags()?);
    if !stderr().is_terminal() {
        build.arg("--quiet");
    }
    let messages = output(&mut build).context(
        "building static programs, which needs the C library's static part (Debian: libc6-dev)",
    )?;
    let paths = executables(&messages)?;
    let program = |name: &'static str| {
        let found = paths.iter().find(|path| path.ends_with(name));
        let path = found
            .with_context(|| format!("cargo built no {name}"))?
            .clone();
        let size = fs::metadata(&path)
            .with_context(|| format!("reading {}", path.display()))?
            .len();
        anyhow::Ok(Program { name, path, size })
    };
    Ok([program(PROGRAMS[0])?, program(PROGRAMS[1])?])
}

/// Flags of the compiler, in the form that cargo takes before all others: which ones a machine has set for itself changes
/// nothing.
fn flags() -> Result<OsString> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    let home = home.context("neither CARGO_HOME nor HOME is set")?;
    let mut flags = OsString::from("-Ctarget-feature=+crt-static");
    if packs_relocations() {
        flags.push("\u{1f}-Clink-arg=-Wl,-z,pack-relative-relocs");
    }
    for (folder, stands_for) in [(home, "/cargo"), (crate::repository(), "/netdoctor")] {
        flags.push("\u{1f}--remap-path-prefix=");
        flags.push(folder);
        flags.push("=");
        flags.push(stands_for);
    }
    Ok(flags)
}

/// Whether the C library can start a program whose relocations are written the short way, which saves 1.4 MB in each of
/// ours: glibc 2.36 can.
fn packs_relocations() -> bool {
    let version = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    version.is_ok_and(|output| is_new_enough(&String::from_utf8_lossy(&output.stdout)))
}

/// `glibc 2.36`
fn is_new_enough(version: &str) -> bool {
    let number = version.trim().strip_prefix("glibc 2.");
    number
        .and_then(|minor| minor.split('.').next()?.parse::<u32>().ok())
        .is_some_and(|minor| minor >= 36)
}

/// What cargo says it built, one message per line.
fn executables(messages: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("reading what cargo says")?;
        if let Some(path) = message["executable"].as_str() {
            found.push(PathBuf::from(path));
        }
    }
    Ok(found)
}

/// The image of the Deployments that the plugin would install.
fn name(plugin: &Path) -> Result<String> {
    let mut print = Command::new(plugin);
    print.args(["webhook", "manifests", "--output=json"]);
    let list: Value = serde_json::from_str(&output(&mut print)?)?;
    let items = list["items"].as_array();
    let deployment = items
        .into_iter()
        .flatten()
        .find(|item| item["kind"] == "Deployment");
    deployment
        .and_then(|item| item["spec"]["template"]["spec"]["containers"][0]["image"].as_str())
        .map(str::to_owned)
        .context("the manifests of the plugin name no image")
}

fn metadata() -> Result<Value> {
    let printed = output(cargo("metadata").args(["--no-deps", "--format-version", "1"]))?;
    serde_json::from_str(&printed).context("reading cargo's metadata")
}

fn default_archive(workspace: &Value, profile: &str) -> Result<PathBuf> {
    let target = workspace["target_directory"]
        .as_str()
        .context("cargo does not say where it builds")?;
    let folder = Path::new(target).join("image");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder.join(format!("{profile}.tar")))
}

/// What the package of the plugin says about itself, under the names of the OCI.
fn labelled(image: Image, workspace: &Value) -> Image {
    let packages = workspace["packages"].as_array();
    let package = packages
        .into_iter()
        .flatten()
        .find(|package| package["name"] == PROGRAMS[1]);
    let fields = [
        ("title", "name"),
        ("description", "description"),
        ("version", "version"),
        ("licenses", "license"),
        ("source", "repository"),
        ("url", "homepage"),
    ];
    fields.into_iter().fold(image, |image, (label, field)| {
        match package.and_then(|package| package[field].as_str()) {
            Some(text) => image.label(&format!("org.opencontainers.image.{label}"), text),
            None => image,
        }
    })
}

fn cargo(subcommand: &str) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.arg(subcommand).current_dir(crate::repository());
    command
}

/// What a command writes; its errors go where ours go.
fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("running {program}"))?;
    ensure!(
        output.status.success(),
        "{program} failed ({})",
        output.status
    );
    String::from_utf8(output.stdout).with_context(|| format!("reading what {program} wrote"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_where_programs_are() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"serde"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"a"},"executable":"/target/trial/a"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
            "\n",
        );
        assert_eq!(
            executables(messages).unwrap(),
            [PathBuf::from("/target/trial/a")]
        );
        assert!(executables("no JSON\n").is_err());
    }

    #[test]
    fn paths_of_the_machine_do_not_get_into_programs() {
        let flags = flags().unwrap().into_string().unwrap();
        let flags: Vec<&str> = flags.split('\u{1f}').collect();
        assert_eq!(flags[0], "-Ctarget-feature=+crt-static");
        let here = crate::repository();
        let here = format!("--remap-path-prefix={}=/netdoctor", here.display());
        assert_eq!(flags.last(), Some(&&*here));
    }

    #[test]
    fn an_old_c_library_gets_what_it_understands() {
        assert!(is_new_enough("glibc 2.36\n") && is_new_enough("glibc 2.41.1"));
        assert!(!is_new_enough("glibc 2.35\n") && !is_new_enough("musl 1.2"));
    }
}
