//! The link with both front-ends, over TCP: names with dead and silent addresses, proxies of both kinds that refuse, stall
//! and die, brokers that are elsewhere than they say, and sockets with options.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use felice_core::error::{Cause, Disconnect, ErrorKind, Persisted, ProxyFailure};
use felice_core::record::ProducerRecord;
use felice_host::{Builder, SecurityProtocol};
use felice_tests::behaviour::unreachable::{FullListener, silence};
use felice_tests::behaviour::{FrontEnd, Handle, NoMetadata, PATIENCE};
use felice_tests::certificates::Authority;
use felice_tests::cluster::{ClusterConfig, TcpCluster};
use felice_tests::for_each_front_end;
use felice_tests::forward::{ForwardProxy, Manner, Speaks};
use felice_tests::tls::{Terminator, VERSIONS, server_config};

/// A proxy's user. Neither is in any message.
const USER: (&str, &str) = ("gateway-seven", "not-to-be-told");

/// How long a record that cannot be sent waits: several attempts to connect.
const DELIVERY: Duration = Duration::from_millis(600);

for_each_front_end! {
    a_dead_address_costs_a_quarter_of_a_second
    a_silent_address_is_not_the_first_again
    brokers_are_where_the_mapping_says
    small_buffers_lose_nothing
    records_arrive_through_a_proxy
    tls_goes_through_a_proxy
    a_proxy_that_does_not_do_is_named
    a_proxy_may_want_to_know_who_asks
    a_proxy_that_dies_loses_nothing
    a_cap_holds_in_every_second
}

fn send<F: FrontEnd>(producer: &F, value: &str) -> F::Handle {
    producer.send(&ProducerRecord::new("t", value).partition(0)).expect("there is room")
}

fn cluster() -> TcpCluster {
    let cluster = TcpCluster::start(ClusterConfig::default()).expect("there are ports");
    cluster.with(|it| it.create_topic("t", 1));
    cluster
}

fn stored(cluster: &TcpCluster) -> Vec<String> {
    let records = cluster.with(|it| it.records("t", 0));
    records.into_iter().map(|it| String::from_utf8(it.value.unwrap_or_default()).unwrap()).collect()
}

fn hasty<F: FrontEnd>() -> Builder<F> {
    Builder::new()
        .linger(Duration::ZERO)
        .reconnect_backoff(Duration::from_millis(5))
        .reconnect_backoff_max(Duration::from_millis(20))
}

/// A builder for which all brokers are at these addresses.
fn at<F: FrontEnd>(addresses: &[SocketAddr]) -> Builder<F> {
    let addresses: Vec<(String, u16)> =
        addresses.iter().map(|address| (address.ip().to_string(), address.port())).collect();
    hasty().bootstrap_servers("broker.invalid:9092").address_mapping(move |_, _| addresses.clone())
}

/// The least of several: the machine may be busy.
fn a_dead_address_costs_a_quarter_of_a_second<F: FrontEnd>() {
    let (cluster, dead) = (cluster(), FullListener::new());
    let took = (0..5).map(|_| {
        let producer = at::<F>(&[dead.address, cluster.address(1)]).build().expect("the settings fit");
        let begun = Instant::now();
        send(&producer, "value").get().expect("it is stored");
        begun.elapsed()
    });
    // Bootstrap server and broker are one address each, and so two connections, one after the other.
    let least = took.min().expect("there are some") / 2;
    println!("{}: {least:?} for each connection", F::NAME);
    assert!((Duration::from_millis(250)..Duration::from_millis(300)).contains(&least), "{least:?}");
}

fn a_silent_address_is_not_the_first_again<F: FrontEnd>() {
    let (cluster, (_listener, silent)) = (cluster(), silence());
    let (_another, silent_too) = silence();
    let producer = at::<F>(&[silent, silent_too, cluster.address(1)])
        .socket_connection_setup_timeout(Duration::from_millis(200))
        .build()
        .expect("the settings fit");
    send(&producer, "value").get().expect("the third attempt goes elsewhere");
}

fn brokers_are_where_the_mapping_says<F: FrontEnd>() {
    let cluster = cluster();
    // Of the range for documentation: nobody is there.
    cluster.with(|it| it.set_address(1, "192.0.2.1", 9092));
    let there = cluster.address(1);
    let producer = hasty::<F>()
        .bootstrap_servers("192.0.2.9:9092")
        .address_mapping(move |host, port| {
            assert!(host.starts_with("192.0.2.") && port == 9092, "{host}:{port}");
            vec![(there.ip().to_string(), there.port())]
        })
        .build()
        .expect("the settings fit");
    send(&producer, "value").get().expect("it is stored");
}

fn small_buffers_lose_nothing<F: FrontEnd>() {
    let cluster = cluster();
    let producer = hasty::<F>()
        .bootstrap_servers(&cluster.bootstrap())
        .send_buffer_bytes(1)
        .receive_buffer_bytes(1)
        .socket_keepalive(Duration::from_secs(30))
        .socket_user_timeout(Duration::from_secs(20))
        .build()
        .expect("the settings fit");
    let values: Vec<String> = (0..50).map(|place| format!("{place:05000}")).collect();
    let handles: Vec<F::Handle> = values.iter().map(|value| send(&producer, value)).collect();
    handles.into_iter().for_each(|handle| drop(handle.get().expect("it is stored")));
    assert_eq!(stored(&cluster), values);
}

/// A cluster that only a proxy can reach, under names that only the proxy knows.
fn behind(speaks: Speaks, user: Option<(&'static str, &'static str)>) -> (TcpCluster, ForwardProxy) {
    let cluster = TcpCluster::start(ClusterConfig { brokers: 2, ..ClusterConfig::default() }).expect("ports");
    let names: Vec<(String, SocketAddr)> =
        [1, 2].map(|id| (format!("broker-{id}.inside"), cluster.address(id))).into();
    cluster.with(|it| {
        it.create_topic("t", 1);
        [1, 2].iter().for_each(|id| it.set_address(*id, &format!("broker-{id}.inside"), 9092));
    });
    (cluster, ForwardProxy::start(speaks, user, names))
}

fn through<F: FrontEnd>(url: &str) -> Builder<F> {
    hasty().bootstrap_servers("broker-1.inside:9092,broker-2.inside:9092").proxy_url(url)
}

fn records_arrive_through_a_proxy<F: FrontEnd>() {
    for (speaks, user) in
        [Speaks::Socks5, Speaks::Http].into_iter().flat_map(|it| [(it, None), (it, Some(USER))])
    {
        let (cluster, proxy) = behind(speaks, user);
        let producer = through::<F>(&proxy.url()).build().expect("the settings fit");
        let values: Vec<String> = (0..100).map(|place| place.to_string()).collect();
        let handles: Vec<F::Handle> = values.iter().map(|value| send(&producer, value)).collect();
        handles.into_iter().for_each(|handle| drop(handle.get().expect("it is stored")));
        assert_eq!(stored(&cluster), values, "{speaks:?}");
        let asked = proxy.asked();
        assert!(!asked.is_empty() && asked.iter().all(|host| host.ends_with(".inside")), "{asked:?}");
    }
}

fn tls_goes_through_a_proxy<F: FrontEnd>() {
    for speaks in [Speaks::Socks5, Speaks::Http] {
        let (cluster, authority) = (cluster(), Authority::new("authority"));
        let identity = authority.issue("broker", &["broker-1.inside"]);
        let server = Terminator::start(cluster.address(1), server_config(&identity, None, VERSIONS));
        cluster.with(|it| it.set_address(1, "broker-1.inside", 9093));
        let names = [("broker-1.inside".to_owned(), server.address())];
        let proxy = ForwardProxy::start(speaks, Some(USER), names);
        let builder = hasty::<F>()
            .bootstrap_servers("broker-1.inside:9093")
            .proxy_url(&proxy.url())
            .security_protocol(SecurityProtocol::Ssl)
            .ssl_truststore_certificates(&authority.certificate());
        let producer = builder.build().expect("the settings fit");
        send(&producer, "value").get().expect("it is stored");
        assert_eq!(stored(&cluster), ["value"]);
    }
}

/// Why a record failed that could not be sent in time. No password is told.
fn cause<F: FrontEnd>(url: &str) -> ProxyFailure {
    let settings = through::<F>(url)
        .socket_connection_setup_timeout(DELIVERY / 4)
        .request_timeout(DELIVERY / 2)
        .delivery_timeout(DELIVERY);
    assert!(!format!("{settings:?}").contains(USER.1));
    let producer = settings.build().expect("the settings fit");
    let failed = send(&producer, "value").get();
    let Err(NoMetadata::Failed(error)) = failed else { panic!("{failed:?}") };
    assert!(matches!(error.kind(), ErrorKind::DeliveryTimeout(_)), "{error}");
    assert_eq!(error.persisted(), Persisted::No, "{error}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("proxy") && !text.contains(USER.0) && !text.contains(USER.1), "{text}");
    match error.last_cause() {
        Some(Cause::Disconnected(Disconnect::Proxy(failure))) => failure,
        other => panic!("{other:?}: {error}"),
    }
}

fn a_proxy_that_does_not_do_is_named<F: FrontEnd>() {
    const ENDLESS: &[u8] = &[b'x'; 20_000];
    for (speaks, refusal) in
        [(Speaks::Socks5, ProxyFailure::Reply(2)), (Speaks::Http, ProxyFailure::Status(403))]
    {
        let (cluster, proxy) = behind(speaks, None);
        for (manner, expected) in [
            (Manner::Refuses, refusal),
            (Manner::Stalls, ProxyFailure::Timeout),
            (Manner::Closes, ProxyFailure::Closed),
            (Manner::Says(b"SSH-2.0-OpenSSH_9.9\r\n"), ProxyFailure::Protocol),
            (Manner::Says(ENDLESS), ProxyFailure::Protocol),
            (Manner::Dies(0), ProxyFailure::Ended),
        ] {
            proxy.set(manner);
            assert_eq!(cause::<F>(&proxy.url()), expected, "{speaks:?} {manner:?}");
            // Whoever has time hears of nothing, once it is mended.
            let producer = through::<F>(&proxy.url())
                .socket_connection_setup_timeout(DELIVERY / 4)
                .build()
                .expect("the settings fit");
            let handle = send(&producer, "value");
            proxy.set(Manner::Connects);
            handle.get().expect("it is stored");
        }
        assert_eq!(stored(&cluster), ["value"; 6]);
    }
    let nobody = FullListener::new();
    assert_eq!(cause::<F>(&format!("socks5://{}", nobody.address)), ProxyFailure::Timeout);
    assert_eq!(cause::<F>("socks5://127.0.0.1:1"), ProxyFailure::Unreachable);
    assert_eq!(cause::<F>("http://proxy.invalid:1"), ProxyFailure::Unresolved);
    // The wrong scheme, both ways: each takes the other's first words for the beginning of its own, and waits or goes.
    let (_cluster, socks) = behind(Speaks::Socks5, None);
    let wrong = cause::<F>(&socks.url().replace("socks5", "http"));
    assert!(
        matches!(wrong, ProxyFailure::Protocol | ProxyFailure::Timeout | ProxyFailure::Closed),
        "{wrong:?}"
    );
}

fn a_proxy_may_want_to_know_who_asks<F: FrontEnd>() {
    for speaks in [Speaks::Socks5, Speaks::Http] {
        let (_cluster, proxy) = behind(speaks, Some(USER));
        assert_eq!(cause::<F>(&proxy.url_with("")), ProxyFailure::CredentialsMissing);
        assert_eq!(cause::<F>(&proxy.url_with("gateway-seven:wrong@")), ProxyFailure::CredentialsRefused);
        assert_eq!(cause::<F>(&proxy.url_with("somebody:not-to-be-told@")), ProxyFailure::CredentialsRefused);
        assert_eq!(proxy.asked(), [""; 0], "nobody was connected for who is not known");
    }
}

/// Connections break at bytes that nobody has chosen, while records are sent, and all of them.
fn a_proxy_that_dies_loses_nothing<F: FrontEnd>() {
    for speaks in [Speaks::Socks5, Speaks::Http] {
        let (cluster, proxy) = behind(speaks, Some(USER));
        let producer = through::<F>(&proxy.url()).batch_size(2_000).build().expect("the settings fit");
        let mut values = Vec::new();
        let mut handles = Vec::new();
        for round in 0..20 {
            proxy.set(Manner::Dies(100 + round * 731));
            proxy.cut();
            for place in 0..20 {
                let value = format!("{round}-{place}-{}", "x".repeat(200));
                handles.push(send(&producer, &value));
                values.push(value);
            }
        }
        proxy.set(Manner::Connects);
        proxy.cut();
        handles.into_iter().for_each(|handle| drop(handle.get().expect("it is stored")));
        assert_eq!(stored(&cluster), values, "once, and in order");
        producer.close(PATIENCE).expect("nothing is left");
    }
}

/// Bytes in the fullest second.
fn fullest_second(moved: &[(Instant, usize)]) -> usize {
    let seconds = moved.iter().map(|(begin, _)| {
        let within =
            moved.iter().filter(|(at, _)| at >= begin && at.duration_since(*begin) < Duration::from_secs(1));
        within.map(|(_, bytes)| bytes).sum()
    });
    seconds.max().unwrap_or_default()
}

/// The machine may be busy, and what has waited then comes at once: one of several runs must be as it should. Each loses
/// nothing.
fn a_cap_holds_in_every_second<F: FrontEnd>() {
    const CAP: usize = 50_000;
    let mut counted = Vec::new();
    for _ in 0..5 {
        let (cluster, proxy) = behind(Speaks::Socks5, None);
        let producer = through::<F>(&proxy.url())
            .brokers_max(4)
            .max_request_size(20_000)
            .bandwidth_max_bytes_per_sec(CAP)
            .build()
            .expect("the settings fit");
        let values: Vec<String> = (0..20).map(|place| format!("{place:07000}")).collect();
        let begun = Instant::now();
        let handles: Vec<F::Handle> = values.iter().map(|value| send(&producer, value)).collect();
        handles.into_iter().for_each(|handle| drop(handle.get().expect("it is stored")));
        assert_eq!(stored(&cluster), values);
        // 140 KB of values.
        assert!(begun.elapsed() > Duration::from_millis(2_500), "{:?}", begun.elapsed());
        let fullest = fullest_second(&proxy.moved());
        println!("{}: {fullest} bytes in the fullest second, {:?} in all", F::NAME, begun.elapsed());
        counted.push(fullest);
        if fullest <= CAP {
            return;
        }
    }
    panic!("more than {CAP} bytes in a second: {counted:?}");
}
