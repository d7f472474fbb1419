//! Listening and accepting.

use super::{Phase, Shared, Times, connection, connections::Connections};
use crate::{
    metrics::{HandshakeFailure, Metrics},
    tls::Tls,
};
use axum::Router;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    time::sleep,
};

/// Shortest and longest pause after a failure to accept.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// Connections that may wait to be accepted, unless the kernel allows fewer (`net.core.somaxconn`): as many as a Go server
/// asks for. One that finds no room is tried again after a second, which is half of what a review has.
const BACKLOG: u32 = 4_096;

/// Binds an address. `[::]` on a machine without IPv6 is understood as `0.0.0.0`.
///
/// # Errors
/// When the address is taken or not ours.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match listen(address) {
        Err(error) if address.ip().is_unspecified() && address.is_ipv6() && no_ipv6(&error) => {
            listen((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        bound => bound,
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A server that has just ended leaves connections behind that would keep the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Neither `EAFNOSUPPORT` (97) nor `EADDRNOTAVAIL` has anything to do with the port.
fn no_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(97)
}

/// A bound address with everything that its connections need.
pub struct Listener {
    socket: TcpListener,
    shared: Arc<Shared>,
    connections: Connections,
}

impl Listener {
    /// Serves `router` on `listener`, with TLS or without, with at most `most` connections at once.
    pub fn new(
        listener: TcpListener,
        tls: Option<Tls>,
        router: Router,
        (times, most): (Times, usize),
        phase: watch::Receiver<Phase>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let shared = Shared {
            tls,
            router,
            times,
            phase,
            metrics,
        };
        Self {
            socket: listener,
            shared: Arc::new(shared),
            connections: Connections::new(most),
        }
    }

    /// Accepts until phase `Stopping`, then waits for the connections that are still busy, until phase `Stopped`.
    /// Returns how many were cut off.
    pub async fn serve(self) -> usize {
        let mut phase = self.shared.phase.clone();
        tokio::select! {
            never = self.accept() => match never {},
            _ = phase.wait_for(|phase| *phase >= Phase::Stopping) => {}
        }
        drop(self.socket);
        tokio::select! {
            () = self.connections.all_gone() => 0,
            _ = phase.wait_for(|phase| *phase >= Phase::Stopped) => self.connections.count(),
        }
    }

    async fn accept(&self) -> std::convert::Infallible {
        let mut pause = PAUSES.0;
        loop {
            match self.socket.accept().await {
                Ok((stream, peer)) => {
                    pause = PAUSES.0;
                    self.take(stream, peer.ip().to_canonical());
                }
                Err(error) if of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    self.connections.relieve();
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
        }
    }

    fn take(&self, stream: TcpStream, peer: IpAddr) {
        let Some(ticket) = self.connections.admit(peer) else {
            let failure = HandshakeFailure::ConnectionLimit;
            return self.shared.metrics.handshake_failed(failure);
        };
        tokio::spawn(connection::serve(stream, self.shared.clone(), ticket));
    }
}

/// Failures of the connection that would have been accepted, not of the listener.
fn of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn any_address_means_any_family_there_is() {
        let listener = bind("[::]:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepted = tokio::spawn(async move { listener.accept().await.map(drop) });
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        accepted.await.unwrap().unwrap();
        let taken = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let again = bind(taken.local_addr().unwrap()).await;
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
