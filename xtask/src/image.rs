//! `cargo xtask image`: the container image of webhook and plugin.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use netdoctor_lab::image::product::{self, LARGEST, Product, RELEASE};

/// What to build, and where to put it.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// Profile of cargo; `trial` is the one that the tests use, because it builds faster
    #[arg(long, default_value = RELEASE)]
    profile: String,
    /// The archive. Default: image/PROFILE.tar in the build folder
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &ImageArgs) -> Result<()> {
    let product = product::build(&arguments.profile, arguments.output.as_deref())?;
    print!("{}", report(&product));
    Ok(())
}

/// What somebody wants to know who will ship it.
fn report(product: &Product) -> String {
    let line = |what: &str, bytes: u64, more: &str| {
        format!("{what:<20} {:>6} MB{more}\n", megabytes(bytes))
    };
    let mut text = String::new();
    for program in &product.programs {
        text += &line(program.name, program.size, "");
    }
    let most = format!(" of at most {}", megabytes(LARGEST));
    text += &line("image", product.image.size, &most);
    for (what, value) in [
        ("name", &*product.image.name),
        ("digest", &product.image.digest),
        ("archive", &product.archive.display().to_string()),
    ] {
        text += &format!("{what:<20} {value}\n");
    }
    text
}

/// With two digits, rounded up: a limit that is kept in print is kept in fact.
fn megabytes(bytes: u64) -> String {
    let hundredths = bytes.div_ceil(10_000);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use netdoctor_lab::image::Saved;

    use super::*;

    #[test]
    fn sizes_name_and_digest_are_reported() {
        let product = Product {
            image: Saved {
                name: "example.com/image:v1".to_owned(),
                digest: "sha256:abc".to_owned(),
                size: 31_230_001,
            },
            archive: PathBuf::from("/target/image/release.tar"),
            programs: vec![product::Program {
                name: "netdoctor-webhook",
                path: PathBuf::from("/target/release/netdoctor-webhook"),
                size: 12_000_000,
            }],
        };
        assert_eq!(
            report(&product),
            "netdoctor-webhook     12.00 MB\n\
             image                 31.24 MB of at most 40.00\n\
             name                 example.com/image:v1\n\
             digest               sha256:abc\n\
             archive              /target/image/release.tar\n"
        );
    }
}
