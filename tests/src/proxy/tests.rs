use std::io::{ErrorKind, Read, Write};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

const CALM: Faults =
    Faults { seed: 11, cut_within: None, stall_within: None, stall_max: Duration::ZERO, piece_max: None };

/// A server that gives back what it gets.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut answers = client.try_clone().expect("there are descriptors left");
                // Ends with the connection, in whatever way.
                let _ = io::copy(&mut client, &mut answers);
                let _ = answers.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    address
}

/// Sends all of it, and takes what comes back until that is all, or the connection is gone.
fn through(route: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut client = TcpStream::connect(route).expect("the link listens");
    client.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
    let mut back = Vec::new();
    // Either may find the connection gone.
    if client.write_all(bytes).is_ok() {
        let _ = client.take(bytes.len() as u64).read_to_end(&mut back);
    }
    back
}

fn numbers() -> Vec<u8> {
    (0..20_000_u32).flat_map(u32::to_be_bytes).collect()
}

#[test]
fn pieces_and_stalls_change_no_byte() {
    let link = Link::new(Duration::ZERO);
    let route = link.route_to(echo()).expect("there is a free port");
    let faults = Faults {
        stall_within: Some(40_000),
        stall_max: Duration::from_millis(5),
        piece_max: Some(4_000),
        ..CALM
    };
    link.disturb(Some(faults));
    for _ in 0..10 {
        assert_eq!(through(route, &numbers()), numbers());
    }
    let Happened { cuts, stalls, pieces } = link.happened();
    assert!(cuts == 0 && stalls > 0 && pieces > 100, "{:?}", link.happened());
}

#[test]
fn a_cut_ends_both_sides_after_a_beginning() {
    let link = Link::new(Duration::ZERO);
    let route = link.route_to(echo()).expect("there is a free port");
    link.disturb(Some(Faults { cut_within: Some(60_000), ..CALM }));
    for _ in 0..20 {
        let back = through(route, &numbers());
        assert!(back.len() < numbers().len(), "all came back");
        assert_eq!(back, numbers()[..back.len()]);
    }
    // Both directions may come to their ends.
    assert!((20..=40).contains(&link.happened().cuts), "{:?}", link.happened());
    link.disturb(None);
    assert_eq!(through(route, &numbers()), numbers());
}

#[test]
fn what_is_held_is_accepted_and_comes_through_afterwards() {
    let link = Link::new(Duration::ZERO);
    let target = echo();
    let [held, other] = [(); 2].map(|()| link.route_to(target).expect("there is a free port"));
    let mut before = TcpStream::connect(held).expect("the link listens");
    before.write_all(b"a").expect("it is open");
    before.read_exact(&mut [0]).expect("it comes back");
    link.hold(held);
    let mut after = TcpStream::connect(held).expect("the link listens");
    for client in [&mut before, &mut after] {
        client.write_all(b"b").expect("it is open");
        client.set_read_timeout(Some(Duration::from_millis(50))).expect("it is not zero");
        let answer = client.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(answer, Err(ErrorKind::WouldBlock), "nothing comes, not even an end");
    }
    assert_eq!(through(other, b"c"), b"c");
    link.release(held);
    for client in [&mut before, &mut after] {
        client.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
        let mut back = [0];
        client.read_exact(&mut back).expect("it comes back");
        assert_eq!(&back, b"b");
    }
}
