//! A broker that means harm, behind a real socket: it understands what it is asked, and answers as its [`Evil`] says.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use felice_core::record::ProducerRecord;

use crate::behaviour::{FrontEnd, Handle};
use crate::cluster::{Cluster, ClusterConfig, Release, Reply, SaslConfig, Session, SupportedVersions};
use crate::protocol::frame::FrameBuffer;
use crate::protocol::sasl::SaslAuthenticateResponse;
use crate::protocol::{ApiKey, RequestHeader, decode_request, decode_response, encode_response};

/// The pace of [`Evil::Trickle`].
const TRICKLE: Duration = Duration::from_secs(1);
/// How much is written at a time where there is no end.
const CHUNK_BYTES: usize = 16 * 1024;

/// What a broker does instead of answering. ApiVersions it answers properly, or nobody would ask for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evil {
    /// Nothing: it answers as it should.
    Never,
    /// Bytes at random.
    Noise,
    /// Proper answers in which some bytes are others.
    Mutation,
    /// An answer of 2 GiB, whose bytes come as fast as they are read.
    HugeFrame,
    /// Proper answers under the correlation id of the next request.
    WrongIds,
    /// A Metadata answer with brokers without end; to Produce as [`HugeFrame`](Self::HugeFrame).
    EndlessBrokers,
    /// A Metadata answer with topics without end; to Produce as [`HugeFrame`](Self::HugeFrame).
    EndlessTopics,
    /// Proper answers, one byte per second.
    Trickle,
    /// SCRAM: a challenge that asks for four billion rounds, and proper answers to all else.
    Iterations,
    /// SASL: a challenge of 2 GiB, whose bytes come as fast as they are read; proper answers to all else.
    HugeChallenge,
    /// SCRAM: the proper challenge, and then not the signature of who knows the password.
    WrongSignature,
    /// SASL: it closes the connection where a client says who it is.
    HangUp,
}

impl Evil {
    /// Whether it answers properly to that.
    fn spares(self, api: ApiKey) -> bool {
        match self {
            Self::Never => true,
            Self::Iterations | Self::HugeChallenge | Self::WrongSignature | Self::HangUp => {
                api != ApiKey::SASL_AUTHENTICATE
            }
            _ => api == ApiKey::API_VERSIONS,
        }
    }
}

/// A listener on the loopback interface, and a thread for each of its connections, until it is dropped and the other
/// side has closed them.
#[derive(Debug)]
pub struct EvilBroker {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    evil: Mutex<Evil>,
    cluster: Mutex<Cluster>,
    deeds: AtomicU64,
    flood_bytes: AtomicU64,
    ended: AtomicBool,
}

impl EvilBroker {
    /// Begins to listen. The broker is the only one of a cluster of its own, which creates topics that are missing.
    ///
    /// # Errors
    ///
    /// No port could be had.
    pub fn start(evil: Evil) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let mut cluster = Cluster::new(ClusterConfig::default());
        cluster.set_address(1, "127.0.0.1", address.port().into());
        // The last release whose answers are all of flexible versions, with topics by their names.
        cluster.set_versions(SupportedVersions::of(Release::V3_9));
        let shared = Arc::new(Shared {
            evil: Mutex::new(evil),
            cluster: Mutex::new(cluster),
            deeds: AtomicU64::new(0),
            flood_bytes: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for (seed, stream) in listener.incoming().enumerate() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&accepting)) else { continue };
                // An error is the other side's end of the connection.
                thread::spawn(move || drop(shared.serve(stream, seed as u64)));
            }
        });
        Ok(Self { address, shared })
    }

    /// It wants to know who clients are.
    pub fn demand_sasl(&self, sasl: SaslConfig) {
        lock(&self.shared.cluster).set_sasl(Some(sasl));
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests it has answered badly, or begun to.
    #[must_use]
    pub fn deeds(&self) -> u64 {
        self.shared.deeds.load(Ordering::SeqCst)
    }

    /// Waits until it has answered so many requests badly. Whether it has.
    #[must_use]
    pub fn wait_for_deeds(&self, count: u64, timeout: Duration) -> bool {
        let end = Instant::now() + timeout;
        while self.deeds() < count {
            if Instant::now() > end {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// How many bytes of answers without end it could write.
    #[must_use]
    pub fn flood_bytes(&self) -> u64 {
        self.shared.flood_bytes.load(Ordering::SeqCst)
    }

    /// From the next request on it answers as it should.
    pub fn repent(&self) {
        *lock(&self.shared.evil) = Evil::Never;
    }
}

impl Drop for EvilBroker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Gets the listener out of accept(); if that fails, so has accept.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream, seed: u64) -> io::Result<()> {
        let (mut frames, mut random) = (FrameBuffer::new(), Random(seed));
        let mut session = Session::default();
        loop {
            while let Some(frame) = frames.next_frame().map_err(io::Error::other)? {
                let frame = frame.to_vec();
                self.answer(&mut stream, &mut session, &frame, &mut random)?;
            }
            let count = stream.read(frames.space())?;
            if count == 0 {
                return Ok(());
            }
            frames.filled(count);
        }
    }

    fn answer(
        &self,
        stream: &mut TcpStream,
        session: &mut Session,
        request: &[u8],
        random: &mut Random,
    ) -> io::Result<()> {
        let evil = *lock(&self.evil);
        let header = decode_request(request).map_err(io::Error::other)?.0;
        let api = header.api_key;
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now_us = since_1970.as_micros() as u64;
        let reply = lock(&self.cluster).handle_request_of(session, now_us, 1, request);
        let Reply::Response { mut frame, .. } = reply else { return Err(io::ErrorKind::InvalidData.into()) };
        if evil.spares(api) {
            return stream.write_all(&frame);
        }
        self.deeds.fetch_add(1, Ordering::SeqCst);
        match evil {
            Evil::Never => {}
            Evil::Noise => {
                frame = (0..CHUNK_BYTES).map(|_| random.next() as u8).collect();
            }
            Evil::Mutation => {
                for _ in 0..=random.next() % 4 {
                    let at = random.next() as usize % frame.len();
                    frame[at] = random.next() as u8;
                }
            }
            Evil::WrongIds => frame[7] = frame[7].wrapping_add(1),
            Evil::EndlessBrokers if api == ApiKey::METADATA => return self.flood(stream, &frame, BROKERS),
            Evil::EndlessTopics if api == ApiKey::METADATA => return self.flood(stream, &frame, TOPICS),
            Evil::HugeFrame | Evil::EndlessBrokers | Evil::EndlessTopics => {
                return self.flood(stream, &frame, NOTHING);
            }
            Evil::Trickle => {
                for byte in frame {
                    stream.write_all(&[byte])?;
                    thread::sleep(TRICKLE);
                }
                return Ok(());
            }
            Evil::Iterations => {
                frame = bent(&header, &frame, |challenge| challenge.replace("i=4096", "i=4294967295"));
            }
            Evil::HugeChallenge => return self.flood(stream, &frame, CHALLENGE),
            Evil::WrongSignature => {
                let wrong = format!("v={}=", "A".repeat(43));
                frame = bent(
                    &header,
                    &frame,
                    |words| {
                        if words.starts_with("v=") { wrong.clone() } else { words }
                    },
                );
            }
            Evil::HangUp => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
        stream.write_all(&frame)
    }

    /// An answer that announces 2 GiB and does not end before the connection.
    fn flood(&self, stream: &mut TcpStream, frame: &[u8], (head, element): Endless) -> io::Result<()> {
        stream.write_all(&i32::MAX.to_be_bytes())?;
        stream.write_all(&frame[4..8])?;
        stream.write_all(head)?;
        let chunk = element.repeat(CHUNK_BYTES / element.len());
        loop {
            stream.write_all(&chunk)?;
            self.flood_bytes.fetch_add(chunk.len() as u64, Ordering::SeqCst);
        }
    }
}

/// An answer to SaslAuthenticate whose message says something else.
fn bent(header: &RequestHeader<'_>, frame: &[u8], bend: impl Fn(String) -> String) -> Vec<u8> {
    let answer = decode_response(header.api_version, &frame[4..]);
    let (_, answer): (_, SaslAuthenticateResponse<'_>) = answer.expect("it was just encoded");
    let words = bend(String::from_utf8_lossy(answer.auth_bytes).into_owned());
    let answer = SaslAuthenticateResponse { auth_bytes: words.as_bytes(), ..answer };
    encode_response(header.correlation_id, header.api_version, &answer)
}

/// What stands in an answer before what never ends, and that: of the layout of Metadata 12.
type Endless = (&'static [u8], &'static [u8]);

/// A throttle time, and then zeros.
const NOTHING: Endless = (&[0, 0, 0, 0, 0], &[0; 16]);
/// No tags, a throttle time, 2^28 brokers; each has an id, host, port, no rack, no tags.
const BROKERS: Endless = (
    &[0, 0, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x01],
    &[0, 0, 0, 9, 10, b'1', b'2', b'7', b'.', b'0', b'.', b'0', b'.', b'9', 0, 0, 0, 9, 0, 0],
);
/// No tags, no error, no words, and 2 GiB: of the layout of SaslAuthenticate 2.
const CHALLENGE: Endless = (&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x07], b"AAAAAAAAAAAAAAAA");
/// No brokers, no cluster id, controller 1, 2^28 topics; each has error 0, a name, an id, no partitions.
const TOPICS: Endless = (
    &[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0x80, 0x80, 0x80, 0x80, 0x01],
    &[0, 0, 2, b't', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 1, 0, 0, 0, 0, 0],
);

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Small, seeded: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    }
}

/// Sends records that the other broker takes, one after the other, for as long as those for this one have to be delivered, and
/// 20 at least. How many of them were stored.
///
/// # Panics
///
/// Where more than a machine that is busy would explain were slow: slower than half of a request's time.
pub fn others_go_on<F: FrontEnd>(producer: &F, partition: i32, delivery: Duration, request: Duration) -> i64 {
    const PATIENCE: Duration = Duration::from_secs(20);
    let begun = Instant::now();
    let (mut slow, mut count) = (0, 0);
    while begun.elapsed() < delivery || count <= 20 {
        let sent = Instant::now();
        let record = ProducerRecord::new("t", "value").partition(partition);
        let stored = producer.send(&record).expect("there is room").get_timeout(PATIENCE).is_ok();
        slow += i64::from(!stored || sent.elapsed() > request / 2);
        count += 1;
    }
    // A busy machine holds up a thread now and then. Who waits for the other broker waits again and again.
    assert!(slow <= 2, "of {count} records {slow} were slow");
    count - slow
}
