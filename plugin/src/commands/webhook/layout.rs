//! From flags to what is rendered.

use netdoctor_manifests::{Certificates, FailurePolicy, Options, Profile};

use crate::cli::GlobalArgs;
use crate::cli::webhook::{CertificatesName, FailurePolicyName, LayoutArgs, Mode, ProfileName};
use crate::commands::Usage;

/// The options behind flags; combinations that would be an outage are wrong usage.
pub(super) fn options(args: &LayoutArgs, global: &GlobalArgs) -> anyhow::Result<Options> {
    let mut options = Options {
        namespace: namespace(global),
        profile: profile(args.profile),
        custom_workloads: args.custom.clone(),
        components: args.with.iter().copied().collect(),
        ..Options::default()
    };
    if args.mode == Mode::Policy {
        options.mode = netdoctor_manifests::Mode::Policy;
    }
    if let Some(image) = &args.image {
        options.image.clone_from(image);
    }
    if let Some(replicas) = args.replicas {
        options.replicas = replicas;
    }
    if let Some(port) = args.port {
        options.port = port;
    }
    if args.failure_policy == Some(FailurePolicyName::Fail) {
        options.failure_policy = FailurePolicy::Fail;
    }
    options.certificates = match args.certificates {
        None | Some(CertificatesName::SelfManaged) => Certificates::SelfManaged,
        Some(CertificatesName::CertManager) => Certificates::CertManager,
        Some(CertificatesName::Files) => Certificates::Files,
    };
    options
        .check()
        .map_err(|error| Usage(format!("error: {error}")))?;
    Ok(options)
}

fn profile(named: Option<ProfileName>) -> Profile {
    match named {
        None | Some(ProfileName::Advisory) => Profile::Advisory,
        Some(ProfileName::Guarded) => Profile::Guarded,
        Some(ProfileName::Strict) => Profile::Strict,
    }
}

/// The namespace of the installation. That of the context is somebody's work place: it does not count.
pub(super) fn namespace(global: &GlobalArgs) -> String {
    let named = global.connection.namespace.clone();
    named.unwrap_or_else(|| Options::default().namespace)
}
