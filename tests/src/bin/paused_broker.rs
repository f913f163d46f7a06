//! Starts a real broker, pauses it, and waits to be killed: for the test that nothing outlives its process.

use std::thread;

use felice_tests::kafka::Kafka;

fn main() {
    let kafka = Kafka::builder().start();
    kafka.pause(1);
    println!("broker {}", kafka.address(1));
    loop {
        thread::park();
    }
}
