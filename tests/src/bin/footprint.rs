//! What connections weigh: resident memory of a producer that has one to each broker, with TLS or without. Brokers are in
//! another process, so that only the client is weighed.
//!
//!   footprint serve BROKERS FOLDER   serves until its input ends; bootstrap servers and authority are in the folder
//!   footprint plain|tls FOLDER       sends to each broker, and prints KiB

use std::error::Error;
use std::path::Path;
use std::time::Duration;
use std::{env, fs, io};

use felice_blocking::{Producer, ProducerRecord, SecurityProtocol};
use felice_tests::certificates::Authority;
use felice_tests::cluster::{ClusterConfig, TcpCluster, TopicConfig};
use felice_tests::tls::{Terminator, VERSIONS, server_config};

const TOPIC: &str = "footprint";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", brokers, folder] => serve(brokers.parse()?, Path::new(folder)),
        [way @ ("plain" | "tls"), folder] => send(way == "tls", Path::new(folder)),
        _ => Err("see the head of footprint.rs".into()),
    }
}

fn serve(brokers: i32, folder: &Path) -> Result<(), Box<dyn Error>> {
    let authority = Authority::new("authority");
    let config = server_config(&authority.issue("broker", &["127.0.0.1"]), None, VERSIONS);
    fs::write(folder.join("authority.pem"), authority.certificate())?;
    let mut kept = Vec::new();
    for way in ["plain", "tls"] {
        let cluster = TcpCluster::start(ClusterConfig { brokers, ..ClusterConfig::default() })?;
        let mut bootstrap = cluster.address(1).to_string();
        let mut servers = Vec::new();
        if way == "tls" {
            for id in 1..=brokers {
                let server = Terminator::start(cluster.address(id), config.clone());
                cluster.with(|it| it.set_address(id, "127.0.0.1", server.address().port().into()));
                servers.push(server);
            }
            bootstrap = servers[0].address().to_string();
        }
        cluster.with(|it| it.create_topic_with(TOPIC, TopicConfig::with_partitions(brokers)));
        fs::write(folder.join(way), bootstrap)?;
        kept.push((cluster, servers));
    }
    fs::write(folder.join("ready"), "")?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

fn send(tls: bool, folder: &Path) -> Result<(), Box<dyn Error>> {
    let way = if tls { "tls" } else { "plain" };
    let mut builder = Producer::builder().bootstrap_servers(&fs::read_to_string(folder.join(way))?);
    if tls {
        let authority = folder.join("authority.pem");
        builder = builder.security_protocol(SecurityProtocol::Ssl).ssl_truststore_location(authority);
    }
    let producer = builder.buffer_memory(256 * 1024).brokers_max(64).linger(Duration::ZERO).build()?;
    let partitions = producer.partitions_for(TOPIC)?;
    let value = [b'x'; 8_000];
    for _ in 0..20 {
        for partition in 0..partitions {
            producer.send(ProducerRecord::new(TOPIC, &value[..]).partition(partition))?.get()?;
        }
    }
    println!("{}", resident_kib()?);
    producer.close(Duration::from_secs(5))?;
    Ok(())
}

fn resident_kib() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().next().ok_or("no number")?.parse()?)
}
