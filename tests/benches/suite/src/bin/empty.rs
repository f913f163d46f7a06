//! A program that does nothing, with what every producer has: a thread and a connected socket. What it takes of memory is
//! what felice's share is counted from.

use std::net::{TcpListener, TcpStream};
use std::thread;

use bench_harness::{Meter, Options};

fn main() {
    let options = Options::parse();
    let meter = Meter::start(&options);
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    let thread = thread::spawn(move || drop(listener.accept()));
    let socket = TcpStream::connect(address).expect("it listens");
    thread.join().expect("it ends");
    drop(socket);
    meter.finish(options.records, 0, &options);
}
