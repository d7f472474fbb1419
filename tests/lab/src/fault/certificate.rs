//! Certificates of a node that have ended, and good ones again.

use anyhow::{Context, Result, bail};

use crate::control_plane::write_identity;
use crate::{Host, HostName, Lab};

/// The certificates of a node that a fault may replace.
pub(super) const CERTIFICATES: [&str; 2] = ["kubelet-client", "kubelet-server"];

/// Writes a certificate that ended years ago, or one that is good. Its component reads it when it is restarted.
pub(super) fn replace(lab: &Lab, host: Host<'_>, which: &str, ended: bool) -> Result<()> {
    let node = host.name();
    let HostName::Node(_) = node else {
        bail!("{node} has no kubelet");
    };
    let authority = lab.authority()?;
    let authority = if ended { authority.ended() } else { authority };
    let user = format!("system:node:{node}");
    let identity = match which {
        "kubelet-client" => authority.client(&user, "system:nodes"),
        "kubelet-server" => {
            let (v4, v6) = (
                lab.address(node).to_string(),
                lab.address6(node).to_string(),
            );
            authority.server_called(&user, &[&node.to_string(), &v4, &v6])
        }
        _ => bail!(
            "there is no certificate `{which}`; there are {}",
            CERTIFICATES.join(", ")
        ),
    };
    write_identity(host, which, &identity.context("making a certificate")?)
}
