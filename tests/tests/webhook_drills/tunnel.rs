//! A way to the webhook that can be cut: packets are swallowed, or nobody listens any more.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Passes bytes on to another port of this machine.
pub(crate) struct Tunnel {
    port: u16,
    swallow: Arc<watch::Sender<bool>>,
    runtime: Runtime,
}

impl Tunnel {
    pub(crate) fn to(target: u16) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let swallow = Arc::new(watch::Sender::new(false));
        runtime.spawn(listen(listener, target, Arc::clone(&swallow)));
        Self {
            port,
            swallow,
            runtime,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether nothing that is sent from now on arrives. Connections stay open, and new ones are accepted.
    pub(crate) fn swallow(&self, swallow: bool) {
        self.swallow.send_replace(swallow);
    }

    /// Ends all connections and refuses new ones.
    pub(crate) fn close(self) {
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

async fn listen(listener: TcpListener, target: u16, swallow: Arc<watch::Sender<bool>>) {
    while let Ok((client, _)) = listener.accept().await {
        let swallow = Arc::clone(&swallow);
        tokio::spawn(async move {
            // A target that is gone is a connection that ends.
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else {
                return;
            };
            for stream in [&client, &server] {
                let _ = stream.set_nodelay(true);
            }
            let (client, server) = (client.into_split(), server.into_split());
            tokio::select! {
                () = pass(client.0, server.1, swallow.subscribe()) => {}
                () = pass(server.0, client.1, swallow.subscribe()) => {}
            }
        });
    }
}

/// Passes on what arrives, when it may, until the stream ends.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut swallow: watch::Receiver<bool>) {
    let mut piece = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        // What is lost on the way is sent again by TCP when the way is free.
        if swallow.wait_for(|swallow| !swallow).await.is_err() {
            return;
        }
        if to.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
}
