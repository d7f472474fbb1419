//! Which certificate answers, and who is let in.

use crate::support::{Authority, Client, Running, Start, review, trusting, trusting_by};
use jiff::Timestamp;
use netdoctor_webhook::tls::{AuthorityFile, Callers, PairFiles, Polled};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The serial number of what a new connection is answered with.
async fn answered_with(server: &Running, authorities: &[&str]) -> Vec<u8> {
    let client = Client::connect(server.address, &trusting(authorities, None))
        .await
        .unwrap();
    client.stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Writes a pair as the kubelet does: into a new folder, with the link `..data` swapped over.
fn publish(volume: &Path, number: u32, (chain, key): &(String, String)) {
    let folder = volume.join(format!("..2026_11_28_{number}"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("tls.crt"), chain).unwrap();
    fs::write(folder.join("tls.key"), key).unwrap();
    let next = volume.join("..data_tmp");
    symlink(folder.file_name().unwrap(), &next).unwrap();
    fs::rename(&next, volume.join("..data")).unwrap();
    for file in ["tls.crt", "tls.key"] {
        if !volume.join(file).exists() {
            symlink(Path::new("..data").join(file), volume.join(file)).unwrap();
        }
    }
}

fn file_mode(server: &Running, volume: &Path) -> PairFiles {
    let files: (PathBuf, PathBuf) = (volume.join("tls.crt"), volume.join("tls.key"));
    PairFiles::new(files, server.serving.clone(), server.metrics.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_swaps_in_a_row_reach_new_connections_and_leave_open_ones_alone() {
    let server = Start::default().start_without_certificate().await;
    let authority = Authority::new("of the files");
    let trust = authority.pem();
    let volume = tempfile::tempdir().unwrap();
    publish(volume.path(), 0, &authority.server());
    let mut files = file_mode(&server, volume.path());
    assert!(matches!(files.poll(Timestamp::now()), Polled::Loaded(_)));
    let mut open = Client::connect(server.address, &trusting(&[&trust], None))
        .await
        .unwrap();
    let mut seen = vec![answered_with(&server, &[&trust]).await];
    for number in 1..=3 {
        publish(volume.path(), number, &authority.server());
        assert!(matches!(files.poll(Timestamp::now()), Polled::Loaded(_)));
        assert_eq!(files.poll(Timestamp::now()), Polled::Same);
        let answer = answered_with(&server, &[&trust]).await;
        assert!(!seen.contains(&answer), "swap {number} is not seen");
        seen.push(answer);
        let response = open.post("/validate", &review("open", 10)).await.unwrap();
        assert_eq!(response.status, 200, "the open connection goes on");
    }
    assert_eq!(server.metric("netdoctor_tls_reload_failures_total"), 0);
    assert!(server.metric("netdoctor_cert_expiry_timestamp_seconds{certificate=\"leaf\"}") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_never_replaces_what_can() {
    let server = Start::default().start_without_certificate().await;
    let authority = Authority::new("of the files");
    let trust = authority.pem();
    let volume = tempfile::tempdir().unwrap();
    let mut files = file_mode(&server, volume.path());
    assert!(
        matches!(files.poll(Timestamp::now()), Polled::Kept(_)),
        "nothing is there yet"
    );
    let good = authority.server();
    publish(volume.path(), 0, &good);
    files.poll(Timestamp::now());
    let before = answered_with(&server, &[&trust]).await;
    let (other_chain, _) = authority.server();
    let broken = [
        (other_chain.clone(), good.1.clone()),
        (other_chain.clone(), "no key".to_owned()),
        ("no certificate".to_owned(), good.1.clone()),
        (good.0.replace('M', "N"), good.1.clone()),
        (String::new(), String::new()),
        authority.server_until(-60),
    ];
    for (number, pair) in broken.iter().enumerate() {
        publish(volume.path(), u32::try_from(number).unwrap() + 1, pair);
        let polled = files.poll(Timestamp::now());
        assert!(matches!(polled, Polled::Kept(_)), "{number}: {polled:?}");
        assert_eq!(answered_with(&server, &[&trust]).await, before, "{number}");
    }
    // One look before there was anything, and one for each broken pair.
    assert_eq!(server.metric("netdoctor_tls_reload_failures_total"), 7);
    publish(volume.path(), 100, &authority.server());
    assert!(
        matches!(files.poll(Timestamp::now()), Polled::Loaded(_)),
        "and it recovers"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_served_whole() {
    let server = Start::default().start_without_certificate().await;
    let authority = Authority::new("root");
    let (leaf, key) = authority.server();
    server.take(&format!("{leaf}{}", authority.pem()), &key);
    let client = Client::connect(server.address, &trusting(&[&authority.pem()], None))
        .await
        .unwrap();
    assert_eq!(
        client.stream.get_ref().1.peer_certificates().unwrap().len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_bundle_is_seen_on_this_side_too() {
    let server = Start::default().start().await;
    let stranger = Authority::new("stranger");
    let refused = Client::connect(server.address, &trusting(&[&stranger.pem()], None)).await;
    assert!(refused.is_err());
    server
        .until_metric(
            "netdoctor_tls_handshake_failures_total{reason=\"certificate-refused\"}",
            1,
        )
        .await;
    let mut config = (*trusting(&[&server.authority.pem()], None)).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(
        Client::connect(server.address, &Arc::new(config))
            .await
            .is_err(),
        "HTTP/2 is not offered"
    );
    server
        .until_metric(
            "netdoctor_tls_handshake_failures_total{reason=\"incompatible\"}",
            1,
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_nobody_is_answered() {
    let server = Start::default().start_without_certificate().await;
    let config = trusting(&[&server.authority.pem()], None);
    assert!(Client::connect(server.address, &config).await.is_err());
    server
        .until_metric(
            "netdoctor_tls_handshake_failures_total{reason=\"no-certificate\"}",
            1,
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_api_server_is_let_in_when_its_authority_is_known() {
    let callers = Authority::new("front proxy");
    let stranger = Authority::new("stranger");
    let accepted = Callers::new(callers.pem().as_bytes(), ["kube-apiserver".to_owned()]).unwrap();
    let accepted = Arc::new(accepted);
    let start = Start {
        callers: Some(accepted.clone()),
        ..Start::default()
    };
    let server = start.start().await;
    let trust = server.authority.pem();
    let call = async |identity| {
        let config = trusting(&[&trust], identity);
        let mut client = Client::connect(server.address, &config).await?;
        // In TLS 1.3 a client learns only from the first answer that it was refused.
        client.post("/validate", &review("u", 10)).await
    };
    let known = callers.client("kube-apiserver");
    assert_eq!(call(Some(known.clone())).await.unwrap().status, 200);
    assert!(call(None).await.is_err(), "no certificate");
    assert!(
        call(Some(callers.client("ann"))).await.is_err(),
        "another name"
    );
    assert!(
        call(Some(stranger.client("kube-apiserver"))).await.is_err(),
        "another authority"
    );
    server
        .until_metric(
            "netdoctor_tls_handshake_failures_total{reason=\"client-certificate\"}",
            3,
        )
        .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.crt");
    let mut file = AuthorityFile::new(path.clone(), accepted, server.metrics.clone());
    fs::write(&path, "no authority").unwrap();
    assert!(matches!(file.poll(), Polled::Kept(_)));
    let known_call = call(Some(known.clone())).await;
    assert_eq!(known_call.unwrap().status, 200, "the last good one stays");
    fs::write(&path, stranger.pem()).unwrap();
    assert!(matches!(file.poll(), Polled::Loaded(_)));
    assert_eq!(file.poll(), Polled::Same);
    assert!(call(Some(known)).await.is_err());
    let stranger = stranger.client("kube-apiserver");
    assert_eq!(call(Some(stranger)).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_tls_are_spoken_and_no_others() {
    let server = Start::default().start().await;
    let authority = server.authority.pem();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = trusting_by(&[version], &[&authority], None);
        let mut client = Client::connect(server.address, &config).await.unwrap();
        let spoken = client.stream.get_ref().1.protocol_version();
        assert_eq!(spoken, Some(version.version));
        let response = client.post("/validate", &review("u", 10)).await.unwrap();
        assert_eq!(response.status, 200);
    }
    // What TLS 1.1 begins with.
    let mut old = TcpStream::connect(server.address).await.unwrap();
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    old.write_all(&hello).await.unwrap();
    let mut answer = Vec::new();
    _ = old.read_to_end(&mut answer).await;
    assert_eq!(answer.first(), Some(&0x15), "an alert: {answer:?}");
}
