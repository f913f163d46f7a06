//! Asks a broker, in a few hand-made bytes, which brokers it knows: the sign that it works.
//!
//! It shares no code with felice or with the simulated cluster, so that a fault there does not look like a broker that
//! does not start.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);

/// Metadata v1 without topics: api key 3, version 1, correlation id 7, no client id, an empty array.
const REQUEST: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0, 0];

/// The node ids of the brokers that are alive in the eyes of the one at `address`.
pub(crate) fn live_brokers(address: SocketAddr) -> io::Result<Vec<i32>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&REQUEST)?;
    let length = read_i32(&mut stream)?;
    let _correlation_id = read_i32(&mut stream)?;
    let mut body = stream.take(length.unsigned_abs().saturating_sub(4).into());
    let brokers = read_i32(&mut body)?;
    (0..brokers).map(|_| read_broker(&mut body)).collect()
}

/// A node id; host, port and rack are skipped.
fn read_broker(input: &mut impl Read) -> io::Result<i32> {
    let node_id = read_i32(input)?;
    skip_string(input)?;
    let _port = read_i32(input)?;
    skip_string(input)?;
    Ok(node_id)
}

fn read_i32(input: &mut impl Read) -> io::Result<i32> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes)?;
    Ok(i32::from_be_bytes(bytes))
}

fn skip_string(input: &mut impl Read) -> io::Result<()> {
    let mut length = [0; 2];
    input.read_exact(&mut length)?;
    let length = i16::from_be_bytes(length).max(0); // -1 is null
    let mut skipped = vec![0; length.unsigned_abs().into()];
    input.read_exact(&mut skipped)
}
