//! Bytes that no client would send: nothing panics, nothing hangs, others are served.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fixture::{Wire, wire};

/// Sends bytes and reads until the server closes, or a while has passed.
async fn send(wire: &Wire, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(wire.server.address()).await.unwrap();
    let _ = socket.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut answer)).await;
    answer
}

fn startup(user: &str) -> Vec<u8> {
    let body = format!("\0\x03\0\0user\0{user}\0database\0frazil\0\0");
    let mut bytes = (body.len() as i32 + 4).to_be_bytes().to_vec();
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_of_no_client() {
    let wire = wire().await;
    let huge = [&startup("ann")[..], b"p\x7f\xff\xff\xff"].concat();
    let asked_then_data = [&b"\0\0\0\x08\x04\xd2\x16\x2f"[..], &startup("ann")].concat();
    for (bytes, expected) in [
        (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], "08P01"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff", "08P01"),
        (b"\x7f\xff\xff\xff\0\x03\0\0", "08P01"),
        (b"\0\0\0\x08\0\x02\0\0\0", "08P01"),
        (&huge, "08P01"),
        (&asked_then_data, "08P01"),
        (
            &[&startup("ann")[..], b"Q\0\0\0\x0dselect 1\0"].concat(),
            "08P01",
        ),
        (&[&startup("ann")[..], b"p\0\0\0\x08junk"].concat(), "08P01"),
        (&startup(""), "28000"),
    ] {
        let answer = send(&wire, bytes).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.contains(expected), "{bytes:?} gave {text:?}");
    }
    // A wrong key is met with silence, and so is a cut-off message.
    let cancel = b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x01";
    assert_eq!(send(&wire, cancel).await, b"");
    wire.client().await.simple_query("select 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_half_open_connections_leaves_room_for_others() {
    let wire = wire().await;
    let mut held = Vec::new();
    for _ in 0..200 {
        let mut socket = TcpStream::connect(wire.server.address()).await.unwrap();
        socket.write_all(b"\0\0\0").await.unwrap();
        held.push(socket);
    }
    wire.client().await.simple_query("select 1").await.unwrap();
}
