//! Which proxy a request goes through: Go's rules, which is what kubectl follows.
//!
//! kube compares `NO_PROXY` with the address of the proxy and knows no exception for loopback, so a
//! `kind` cluster behind `HTTPS_PROXY` would be unreachable. Source of the rules: golang.org/x/net
//! `http/httpproxy` and kubernetes/client-go `tools/clientcmd/client_config.go: parseProxyURL`.

use std::net::IpAddr;

use http::Uri;

use crate::settings::ProxyVariables;

/// The proxy for `server`, if any. `proxy-url` of the kubeconfig wins over the environment and is always used.
/// The error is a clause such as `unsupported scheme "ftp", must be http, https, or socks5`.
pub(crate) fn choose(
    server: &Uri,
    proxy_url: Option<&str>,
    variables: &ProxyVariables,
) -> Result<Option<Uri>, String> {
    if let Some(proxy) = proxy_url.filter(|proxy| !proxy.is_empty()) {
        return parse(proxy)
            .map(Some)
            .map_err(|reason| format!("invalid 'proxy-url' {:?}: {reason}", hide(proxy)));
    }
    let (name, proxy) = match server.scheme_str() {
        Some("http") => ("HTTP_PROXY", &variables.http),
        _ => ("HTTPS_PROXY", &variables.https),
    };
    let Some(proxy) = proxy else { return Ok(None) };
    if !use_proxy(server, &variables.no_proxy) {
        return Ok(None);
    }
    let parsed = match parse(proxy) {
        // Go takes `proxy.example:3128` for a host and port of an HTTP proxy.
        Err(_) if !proxy.contains("://") => parse(&format!("http://{proxy}")),
        parsed => parsed,
    };
    parsed
        .map(Some)
        .map_err(|reason| format!("invalid {name} {:?}: {reason}", hide(proxy)))
}

/// Whether a proxy URL can be used; the error is a clause that says why not.
pub(crate) fn parse(proxy: &str) -> Result<Uri, String> {
    // The proxy resolves names in both; kube knows the first spelling only.
    let proxy = proxy
        .strip_prefix("socks5h://")
        .map_or_else(|| proxy.to_owned(), |rest| format!("socks5://{rest}"));
    let uri: Uri = proxy
        .parse()
        .map_err(|error: http::uri::InvalidUri| format!("could not parse: {error}"))?;
    match uri.scheme_str() {
        Some("http" | "https" | "socks5") => Ok(uri),
        scheme => Err(format!(
            "unsupported scheme {:?}, must be http, https, or socks5",
            scheme.unwrap_or_default()
        )),
    }
}

/// A proxy URL without its user and password.
pub(crate) fn hide(proxy: &str) -> String {
    let (scheme, rest) = proxy
        .split_once("://")
        .map_or(("", proxy), |(scheme, rest)| (scheme, rest));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if scheme.is_empty() {
        rest.to_owned()
    } else {
        format!("{scheme}://{rest}")
    }
}

fn use_proxy(server: &Uri, no_proxy: &str) -> bool {
    let host = server
        .host()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_ascii_lowercase();
    let default_port = if server.scheme_str() == Some("http") {
        80
    } else {
        443
    };
    let port = server.port_u16().unwrap_or(default_port);
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.to_canonical().is_loopback()) {
        return false;
    }
    !no_proxy
        .split(',')
        .any(|entry| matches(&entry.trim().to_ascii_lowercase(), &host, address, port))
}

/// One element of `NO_PROXY`: `*`, a network, an address or a name, the last two with an optional port.
fn matches(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry.is_empty() {
        return false;
    }
    if entry == "*" {
        return true;
    }
    if let Some((network, bits)) = network(entry) {
        return address.is_some_and(|address| contains(network, bits, address));
    }
    let (name, wanted_port) = split_port(entry);
    if wanted_port.is_some_and(|wanted| wanted != port.to_string()) {
        return false;
    }
    if let Ok(wanted) = name.parse::<IpAddr>() {
        return address.is_some_and(|address| address.to_canonical() == wanted.to_canonical());
    }
    // `*.example.com` and `.example.com` match names below, `example.com` the name itself too.
    let name = name
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(name);
    match name.strip_prefix('.') {
        Some(_) => host.ends_with(name) && host.len() > name.len(),
        None if name.is_empty() => false,
        None => {
            host == name
                || host
                    .strip_suffix(name)
                    .is_some_and(|rest| rest.ends_with('.'))
        }
    }
}

/// `host:port`, `[address]:port`, or the whole entry without a port.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    if let Some(rest) = entry.strip_prefix('[') {
        return match rest.split_once(']') {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => (entry, None),
        };
    }
    match entry.split_once(':') {
        // More than one colon: an IPv6 address without a port.
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

fn network(entry: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = entry.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let bits: u32 = bits.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    (bits <= longest).then_some((address, bits))
}

fn contains(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    match (network, address.to_canonical()) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            (network.to_bits() ^ address.to_bits()) & mask == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            (network.to_bits() ^ address.to_bits()) & mask == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(server: &str, no_proxy: &str) -> Option<String> {
        let variables = ProxyVariables {
            https: Some("http://proxy:3128".into()),
            http: Some("http://plain:80".into()),
            no_proxy: no_proxy.into(),
        };
        choose(&server.parse().unwrap(), None, &variables)
            .unwrap()
            .map(|uri| uri.to_string())
    }

    #[test]
    fn a43_loopback_is_never_proxied() {
        for server in [
            "https://localhost:6443",
            "https://127.0.0.1:6443",
            "https://127.8.8.8",
            "https://[::1]:6443",
            "https://LOCALHOST",
        ] {
            assert_eq!(chosen(server, ""), None, "{server}");
        }
        assert!(chosen("https://0.0.0.0:6443", "").is_some());
        assert!(chosen("https://localhost.example.com", "").is_some());
        assert_eq!(
            chosen("https://10.0.0.1:6443", "").as_deref(),
            Some("http://proxy:3128/")
        );
        assert_eq!(
            chosen("http://10.0.0.1:8080", "").as_deref(),
            Some("http://plain/").map(|_| "http://plain:80/")
        );
    }

    /// The cases of golang.org/x/net `http/httpproxy/proxy_test.go` in our own words.
    #[test]
    fn a43_no_proxy_as_go_reads_it() {
        for (no_proxy, server, proxied) in [
            ("*", "https://api.example.com", false),
            ("a, * ,b", "https://api.example.com", false),
            (",,", "https://api.example.com", true),
            ("example.com", "https://example.com", false),
            ("example.com", "https://api.example.com", false),
            ("example.com", "https://notexample.com", true),
            (".example.com", "https://example.com", true),
            (".example.com", "https://api.example.com", false),
            ("*.example.com", "https://api.example.com", false),
            ("*.example.com", "https://example.com", true),
            ("EXAMPLE.com", "https://Api.Example.COM", false),
            ("example.com:6443", "https://example.com:6443", false),
            ("example.com:6443", "https://example.com", true),
            ("example.com:443", "https://example.com", false),
            ("10.0.0.1", "https://10.0.0.1:6443", false),
            ("10.0.0.1:6443", "https://10.0.0.1:6443", false),
            ("10.0.0.1:443", "https://10.0.0.1:6443", true),
            ("10.0.0.0/8", "https://10.1.2.3:6443", false),
            ("10.0.0.0/8", "https://11.1.2.3:6443", true),
            ("0.0.0.0/0", "https://11.1.2.3:6443", false),
            ("10.0.0.0/8", "https://ten.example.com", true),
            ("fd00::/8", "https://[fd00::1]:6443", false),
            ("fd00::1", "https://[fd00::1]:6443", false),
            ("[fd00::1]:6443", "https://[fd00::1]:6443", false),
            ("[fd00::1]:443", "https://[fd00::1]:6443", true),
            ("::/0", "https://10.0.0.1", true),
            (":6443", "https://example.com:6443", true),
            ("10.0.0.0/33", "https://10.0.0.1", true),
        ] {
            assert_eq!(
                chosen(server, no_proxy).is_some(),
                proxied,
                "{no_proxy} {server}"
            );
        }
    }

    #[test]
    fn a44_proxy_url_wins_everywhere() {
        let variables = ProxyVariables {
            no_proxy: "*".into(),
            ..ProxyVariables::default()
        };
        let choose = |proxy| {
            choose(
                &"https://127.0.0.1:6443".parse().unwrap(),
                Some(proxy),
                &variables,
            )
        };
        for (proxy, expected) in [
            ("http://user:pw@p:1", "http://user:pw@p:1/"),
            ("https://p:1", "https://p:1/"),
            ("socks5://p:1", "socks5://p:1/"),
            ("socks5h://p:1", "socks5://p:1/"),
        ] {
            assert_eq!(choose(proxy).unwrap().unwrap().to_string(), expected);
        }
        assert_eq!(choose(""), Ok(None));
        let error = choose("ftp://user:secret@x").unwrap_err();
        assert_eq!(
            error,
            "invalid 'proxy-url' \"ftp://x\": unsupported scheme \"ftp\", must be http, https, or socks5"
        );
        assert!(choose("p:3128").is_err());
    }

    #[test]
    fn a_variable_may_leave_the_scheme_out() {
        let variables = |https: &str| ProxyVariables {
            https: Some(https.into()),
            ..ProxyVariables::default()
        };
        let choose = |https: &str| {
            choose(
                &"https://10.0.0.1".parse().unwrap(),
                None,
                &variables(https),
            )
        };
        assert_eq!(
            choose("proxy.example:3128").unwrap().unwrap().to_string(),
            "http://proxy.example:3128/"
        );
        assert!(
            choose("ftp://x")
                .unwrap_err()
                .starts_with("invalid HTTPS_PROXY")
        );
    }
}
