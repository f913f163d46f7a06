//! Bootstrap servers that do not exist, refuse, or listen and say nothing, and such whose packets are lost.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use felice_core::error::{Cause, Disconnect, ErrorKind, Persisted, Stage};
use felice_core::record::ProducerRecord;
use felice_host::{Builder, CloseError, PartitionsError};
use socket2::{Domain, Socket, Type};

use super::{FrontEnd, Handle, NoMetadata, PATIENCE, Target};

/// A name that has no address: `.invalid` never has one.
const NAMELESS: &str = "broker.invalid:9092";

/// How many producers start where one of their servers works.
pub(super) const STARTS: usize = 4;

/// `delivery.timeout.ms` here.
const DELIVERY_TIMEOUT: Duration = Duration::from_millis(1_200);

/// Names without an address.
pub fn unresolvable<F: FrontEnd>(_: &Target) {
    nobody_answers::<F>(NAMELESS, &[Disconnect::Unresolved]);
}

/// A port where nobody listens.
pub fn refusing<F: FrontEnd>(_: &Target) {
    nobody_answers::<F>(&refused().to_string(), &[Disconnect::Refused]);
}

/// A listener that accepts connections and never answers.
pub fn silent<F: FrontEnd>(_: &Target) {
    let (_listener, address) = silence();
    nobody_answers::<F>(&address.to_string(), &[Disconnect::HandshakeTimeout]);
}

/// An address that nothing comes back from, as behind a firewall.
pub fn swallowing<F: FrontEnd>(_: &Target) {
    let full = FullListener::new();
    nobody_answers::<F>(&full.address.to_string(), &[Disconnect::ConnectTimeout]);
}

/// One good server among bad ones is found.
pub fn one_of_many_works<F: FrontEnd>(target: &Target) {
    let topic = format!("{}-one-works", F::NAME);
    target.create_topic(&topic, 1);
    let (_listener, silent) = silence();
    let (full, good) = (FullListener::new(), target.bootstrap());
    start_with::<F>(&format!("{NAMELESS},{},{silent},{},{good}", refused(), full.address), &topic);
    assert_eq!(target.read(&topic).len(), STARTS);
}

/// New producers, each of which sends a record to the topic. Which server is asked first is not said: several, then.
pub(super) fn start_with<F: FrontEnd>(servers: &str, topic: &str) {
    for _ in 0..STARTS {
        let producer = impatient::<F>(servers).delivery_timeout(PATIENCE).build().expect("the settings fit");
        let handle = producer.send(&ProducerRecord::new(topic, "value")).expect("there is room");
        handle.get().expect("it is stored");
        producer.close(PATIENCE).expect("nothing is left");
    }
}

/// A record is accepted at once, and fails when its time is over, with the reason; nothing else waits.
fn nobody_answers<F: FrontEnd>(servers: &str, causes: &[Disconnect]) {
    let settings = impatient::<F>(servers).max_block(Duration::from_millis(400));
    let producer = settings.build().expect("whether anybody listens is not known yet");
    let begun = Instant::now();
    let record = ProducerRecord::new("readings", "value");
    let handles: Vec<F::Handle> = vec![
        producer.send(&record).expect("there is room"),
        producer.send(&record.key("key")).expect("there is room"),
        producer.send(&record.partition(3)).expect("there is room"),
    ];
    assert!(begun.elapsed() < DELIVERY_TIMEOUT, "acceptance waits for nobody");
    assert_eq!(producer.partitions_for("readings"), Err(PartitionsError::TimedOut));
    for handle in handles {
        let failed = handle.get();
        let Err(NoMetadata::Failed(error)) = failed else { panic!("{failed:?}") };
        assert_eq!(error.kind(), ErrorKind::DeliveryTimeout(Stage::Metadata), "{error}");
        assert_eq!((error.persisted(), error.attempts()), (Persisted::No, 0), "{error}");
        let Some(Cause::Disconnected(cause)) = error.last_cause() else { panic!("without a cause: {error}") };
        assert!(causes.contains(&cause), "{error}");
        assert!(error.is_retriable() && error.to_string().contains(&cause.to_string()), "{error}");
    }
    let waited = begun.elapsed();
    assert!((DELIVERY_TIMEOUT - Duration::from_millis(10)..PATIENCE).contains(&waited), "{waited:?}");

    producer.send(&record).expect("there is room");
    let begun = Instant::now();
    let closed = producer.close(Duration::from_millis(100));
    assert_eq!(closed, Err(CloseError::Undelivered { records: 1 }));
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "a look-up or a connection that hangs holds up nothing"
    );
}

fn impatient<F: FrontEnd>(servers: &str) -> Builder<F> {
    Builder::<F>::new()
        .bootstrap_servers(servers)
        .linger(Duration::ZERO)
        .request_timeout(Duration::from_millis(300))
        .socket_connection_setup_timeout(Duration::from_millis(500))
        .delivery_timeout(DELIVERY_TIMEOUT)
}

/// An address that nobody listens at: it was given out a moment ago, and given back.
pub(super) fn refused() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound")
}

/// The system accepts connections for a listener that never looks at them.
///
/// # Panics
///
/// Where the system has no port.
pub fn silence() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// A listener with as many connections as it may keep: the system throws away what asks for another one.
pub struct FullListener {
    /// Where it does not answer.
    pub address: SocketAddr,
    _listener: Socket,
    _kept: Vec<TcpStream>,
}

impl FullListener {
    /// One on a port of its own.
    ///
    /// # Panics
    ///
    /// Where the system has no port, or keeps more connections than it was told to.
    #[expect(clippy::new_without_default, reason = "it opens sockets")]
    pub fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are sockets left");
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("there is a free port");
        listener.listen(0).expect("it is bound");
        let address = listener.local_addr().ok().and_then(|address| address.as_socket());
        let address = address.expect("it is bound");
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let kept: Vec<TcpStream> = (0..16).map_while(|_| connect()).collect();
        assert!(kept.len() < 16, "the system keeps more connections than it was told to");
        Self { address, _listener: listener, _kept: kept }
    }
}
