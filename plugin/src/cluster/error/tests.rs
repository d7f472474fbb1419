use std::error::Error;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::*;

fn failure(cause: Cause) -> String {
    ConnectFailure {
        server: "api.example:6443".into(),
        proxy: None,
        cause,
    }
    .to_string()
}

/// As the HTTP client reports it: wrapped in an I/O error.
fn of_tls(error: rustls::Error) -> Cause {
    let error: Box<dyn Error> = Box::new(std::io::Error::other(error));
    Cause::of(&*error)
}

#[test]
fn tls_failures_have_a_cause() {
    use CertificateError as Problem;
    for (error, expected) in [
        (
            rustls::Error::InvalidCertificate(Problem::UnknownIssuer),
            Cause::UnknownAuthority,
        ),
        (
            rustls::Error::InvalidCertificate(Problem::NotValidForName),
            Cause::WrongName,
        ),
        (
            rustls::Error::InvalidCertificate(Problem::Expired),
            Cause::Expired,
        ),
        (
            rustls::Error::InvalidCertificate(Problem::NotValidYet),
            Cause::Expired,
        ),
        (
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType),
            Cause::NotTls,
        ),
        (
            rustls::Error::AlertReceived(AlertDescription::BadCertificate),
            Cause::ClientCertificate("bad certificate".into()),
        ),
    ] {
        assert_eq!(of_tls(error), expected);
    }
    let odd = failure(of_tls(rustls::Error::InvalidCertificate(
        Problem::BadSignature,
    )));
    assert!(
        odd.starts_with("Unable to connect to the server: tls: failed to verify certificate: "),
        "{odd}"
    );
}

#[test]
fn io_failures_have_a_cause() {
    use std::io::ErrorKind as Kind;
    for (kind, expected) in [
        (Kind::ConnectionRefused, Cause::Refused),
        (Kind::TimedOut, Cause::Timeout),
        (
            Kind::HostUnreachable,
            Cause::Unreachable("no route to host".into()),
        ),
        (Kind::ConnectionReset, Cause::Closed),
        (Kind::UnexpectedEof, Cause::Closed),
    ] {
        assert_eq!(Cause::of(&std::io::Error::from(kind)), expected);
    }
}

#[test]
fn words_that_people_search_for() {
    for (text, expected) in [
        (
            failure(Cause::Refused),
            "The connection to the server api.example:6443 was refused - did you specify the right host or port?",
        ),
        (
            failure(Cause::UnknownHost),
            "Unable to connect to the server: dial tcp: lookup api.example: no such host",
        ),
        (
            failure(Cause::Timeout),
            "Unable to connect to the server: dial tcp api.example:6443: i/o timeout",
        ),
        (
            failure(Cause::UnknownAuthority),
            "Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown \
             authority",
        ),
        (
            failure(Cause::NotTls),
            "Unable to connect to the server: http: server gave HTTP response to HTTPS client",
        ),
        (
            ApiError::Unauthorized {
                message: "Unauthorized".into(),
            }
            .to_string(),
            "error: You must be logged in to the server (Unauthorized)",
        ),
        (
            ApiError::Forbidden {
                message: "pods is forbidden".into(),
            }
            .to_string(),
            "Error from server (Forbidden): pods is forbidden",
        ),
        (
            ApiError::NotFound {
                message: "pods \"x\" not found".into(),
            }
            .to_string(),
            "Error from server (NotFound): pods \"x\" not found",
        ),
    ] {
        assert!(text.starts_with(expected), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
}

#[test]
fn every_failure_says_what_to_do() {
    for cause in [
        Cause::UnknownHost,
        Cause::Timeout,
        Cause::Unreachable("no route to host".into()),
        Cause::Closed,
        Cause::Proxy("refused".into()),
        Cause::UnknownAuthority,
        Cause::WrongName,
        Cause::Expired,
        Cause::AuthorityAsServer,
        Cause::ClientCertificate("bad certificate".into()),
        Cause::NotTls,
    ] {
        let text = failure(cause);
        assert!(text.contains("; ") && !text.contains('\n'), "{text}");
    }
}

#[test]
fn a_proxy_is_named() {
    let failure = |cause| {
        ConnectFailure {
            server: "api:6443".into(),
            proxy: Some("http://p:1".into()),
            cause,
        }
        .to_string()
    };
    let text = failure(Cause::Refused);
    assert!(
        text.starts_with("Unable to connect to the server: connection refused;"),
        "{text}"
    );
    assert!(text.ends_with(" (through the proxy http://p:1)"), "{text}");
}

#[test]
fn a32_the_servers_words_are_made_safe() {
    for error in [
        ApiError::Forbidden {
            message: "\x1b[2J\r\n".into(),
        },
        ApiError::Server {
            status: 500,
            message: "\x1b]0;title\x07".into(),
        },
        ApiError::NotJson {
            server: "h".into(),
            status: 200,
            content_type: "text/\x1b[1m".into(),
        },
        ApiError::Connect(ConnectFailure {
            server: "h".into(),
            proxy: None,
            cause: Cause::Other("\x1b[1m".into()),
        }),
    ] {
        assert!(!error.to_string().contains(char::is_control), "{error:?}");
    }
}
