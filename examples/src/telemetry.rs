//! This machine's own telemetry: load, memory, network counters and, where there are sensors, temperatures.
//!
//! Each reading is one line of JSON, and has its sensor's name as its key. What the files of `/proc` and `/sys` say is
//! read by functions that take text, so that they can be checked on any machine.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use std::{fs, io, thread};

use crate::input::Reading;

/// Sampling is a steady trickle, as a gateway's is: this many readings per second at most.
const READINGS_PER_SECOND: f64 = 10_000.0;

/// Reads this machine's files, again and again.
#[derive(Debug)]
pub struct Sampler {
    proc: PathBuf,
    thermometers: Vec<Thermometer>,
}

/// A file that holds thousandths of a degree Celsius.
#[derive(Debug, PartialEq, Eq)]
struct Thermometer {
    name: String,
    file: PathBuf,
}

impl Sampler {
    /// Looks for sensors under `root`, which is `/` outside of tests.
    ///
    /// # Errors
    ///
    /// Where there is no `/proc`: not Linux, or not mounted.
    pub fn new(root: &Path) -> io::Result<Self> {
        let proc = root.join("proc");
        fs::metadata(proc.join("loadavg"))?;
        let mut thermometers = thermal_zones(&root.join("sys/class/thermal"));
        thermometers.extend(hardware_monitors(&root.join("sys/class/hwmon")));
        Ok(Self { proc, thermometers })
    }

    /// Every sensor once. One that cannot be read is left out: a thermometer may sleep, a device be unplugged.
    #[must_use]
    pub fn sample(&self) -> Vec<Reading> {
        let time_ms =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_millis());
        let text = |name| fs::read_to_string(self.proc.join(name)).unwrap_or_default();
        let mut values: Vec<_> = load(&text("loadavg")).into_iter().collect();
        values.extend(memory(&text("meminfo")));
        values.extend(network(&text("net/dev")));
        values.extend(self.thermometers.iter().filter_map(Thermometer::read));
        values.iter().map(|measured| measured.reading(time_ms)).collect()
    }

    /// Samples until there are `count` readings, at a steady rate; `taken` hears how many there are.
    pub fn collect(&self, count: usize, mut taken: impl FnMut(usize)) -> Vec<Reading> {
        let (start, mut readings) = (Instant::now(), Vec::with_capacity(count));
        while readings.len() < count {
            let sample = self.sample();
            if sample.is_empty() {
                break;
            }
            readings.extend(sample.into_iter().take(count - readings.len()));
            taken(readings.len());
            let due = start + Duration::from_secs_f64(readings.len() as f64 / READINGS_PER_SECOND);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        readings
    }
}

/// What one sensor says: names, and numbers as they stand in the file.
#[derive(Debug, PartialEq, Eq)]
struct Measured {
    sensor: String,
    values: Vec<(&'static str, String)>,
}

impl Measured {
    fn reading(&self, time_ms: u128) -> Reading {
        let mut json = format!("{{\"sensor\":{},\"time_ms\":{time_ms}", quoted(&self.sensor));
        for (name, number) in &self.values {
            let _ = write!(json, ",\"{name}\":{number}"); // writing to a string cannot fail
        }
        json.push('}');
        Reading { key: Some(self.sensor.clone()), value: json.into_bytes() }
    }
}

/// A JSON string. Sensors name themselves, so any character may come.
fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c.is_control() => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

/// A number that JSON allows: the files have nothing else, but what they say goes out unchanged.
fn number(text: &str) -> Option<String> {
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number.to_string())
}

/// `/proc/loadavg`: `0.42 0.36 0.30 2/512 12345`.
fn load(text: &str) -> Option<Measured> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [one, five, fifteen, tasks, ..] = fields[..] else { return None };
    let (running, tasks) = tasks.split_once('/')?;
    let values = vec![
        ("load_1min", number(one)?),
        ("load_5min", number(five)?),
        ("load_15min", number(fifteen)?),
        ("running", number(running)?),
        ("tasks", number(tasks)?),
    ];
    Some(Measured { sensor: "load".into(), values })
}

/// `/proc/meminfo`: `MemTotal:       16384000 kB`, and many more lines.
fn memory(text: &str) -> Option<Measured> {
    let line = |name| text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    let values = vec![
        ("total_kb", number(line("MemTotal:")?)?),
        ("available_kb", number(line("MemAvailable:")?)?),
        ("free_kb", number(line("MemFree:")?)?),
    ];
    Some(Measured { sensor: "memory".into(), values })
}

/// `/proc/net/dev`: two lines of headings, then one per interface. Those that never carried a byte are left out.
fn network(text: &str) -> impl Iterator<Item = Measured> {
    text.lines().skip(2).filter_map(|line| {
        let (name, counters) = line.split_once(':')?;
        let counters: Vec<&str> = counters.split_whitespace().collect();
        let [rx_bytes, rx_packets, rx_errors, _, _, _, _, _, tx_bytes, tx_packets, tx_errors, ..] =
            counters[..]
        else {
            return None;
        };
        if rx_bytes == "0" && tx_bytes == "0" {
            return None;
        }
        let values = vec![
            ("rx_bytes", number(rx_bytes)?),
            ("rx_packets", number(rx_packets)?),
            ("rx_errors", number(rx_errors)?),
            ("tx_bytes", number(tx_bytes)?),
            ("tx_packets", number(tx_packets)?),
            ("tx_errors", number(tx_errors)?),
        ];
        Some(Measured { sensor: format!("network/{}", name.trim()), values })
    })
}

impl Thermometer {
    fn read(&self) -> Option<Measured> {
        celsius(&self.name, &fs::read_to_string(&self.file).ok()?)
    }
}

/// `47250` is 47.25 degrees.
fn celsius(name: &str, text: &str) -> Option<Measured> {
    let thousandths: f64 = text.trim().parse().ok()?;
    let values = vec![("celsius", number(&(thousandths / 1000.0).to_string())?)];
    Some(Measured { sensor: format!("temperature/{name}"), values })
}

/// `thermal_zone0/{type,temp}`.
fn thermal_zones(class: &Path) -> Vec<Thermometer> {
    let zones = entries(class).into_iter().filter(|zone| file_name(zone).starts_with("thermal_zone"));
    let thermometer = |zone: PathBuf| {
        let name = format!("{}/{}", file_name(&zone), first_line(&zone.join("type"))?);
        Some(Thermometer { name, file: zone.join("temp") })
    };
    zones.filter_map(thermometer).collect()
}

/// `hwmon0/{name,temp1_input,temp1_label}`; the label is optional.
fn hardware_monitors(class: &Path) -> Vec<Thermometer> {
    let mut thermometers = Vec::new();
    for monitor in entries(class) {
        let Some(device) = first_line(&monitor.join("name")) else { continue };
        for file in entries(&monitor) {
            let entry = file_name(&file);
            let Some(input) = entry.strip_suffix("_input").filter(|input| input.starts_with("temp")) else {
                continue;
            };
            let label =
                first_line(&monitor.join(format!("{input}_label"))).unwrap_or_else(|| input.to_owned());
            let name = format!("{}/{device}/{label}", file_name(&monitor));
            thermometers.push(Thermometer { name, file });
        }
    }
    thermometers
}

/// What a folder holds, sorted; nothing where there is no such folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn first_line(file: &Path) -> Option<String> {
    fs::read_to_string(file).ok()?.lines().next().map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NET_DEV: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 211386613   51070    0    0    0     0          0         0 211386614   51071    0    0    0     0       0          0
  ifb0:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
wwan0:4711 3 2 0 0 0 0 0 12 1 9 0 0 0 0 0
";

    fn json(measured: Option<Measured>) -> String {
        String::from_utf8(measured.unwrap().reading(1_700_000_000_000).value).unwrap()
    }

    #[test]
    fn load_and_memory() {
        assert_eq!(
            json(load("3.14 2.41 1.36 3/105 917\n")),
            r#"{"sensor":"load","time_ms":1700000000000,"load_1min":3.14,"load_5min":2.41,"load_15min":1.36,"running":3,"tasks":105}"#
        );
        let text = "MemTotal:       24684084 kB\nMemFree:        23512140 kB\nMemAvailable:   24188632 kB\nBuffers: 1 kB\n";
        assert_eq!(
            json(memory(text)),
            r#"{"sensor":"memory","time_ms":1700000000000,"total_kb":24684084,"available_kb":24188632,"free_kb":23512140}"#
        );
        assert_eq!(load("3.14 2.41\n"), None);
        assert_eq!(load("3.14 nan 1.36 3/105 917\n"), None);
        assert_eq!(memory("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn interfaces_that_carry_something() {
        let found: Vec<Measured> = network(NET_DEV).collect();
        let names: Vec<&str> = found.iter().map(|measured| measured.sensor.as_str()).collect();
        assert_eq!(names, ["network/lo", "network/wwan0"]);
        assert_eq!(
            json(found.into_iter().nth(1)),
            r#"{"sensor":"network/wwan0","time_ms":1700000000000,"rx_bytes":4711,"rx_packets":3,"rx_errors":2,"tx_bytes":12,"tx_packets":1,"tx_errors":9}"#
        );
        assert_eq!(network("").count(), 0);
    }

    #[test]
    fn temperatures_below_zero_and_without_fraction() {
        assert!(json(celsius("cpu", "47250\n")).ends_with(r#","celsius":47.25}"#));
        assert!(json(celsius("yard", "-5500\n")).ends_with(r#","celsius":-5.5}"#));
        assert!(json(celsius("cpu", "47000\n")).ends_with(r#","celsius":47}"#));
        assert_eq!(celsius("cpu", "unavailable\n"), None);
    }

    #[test]
    fn names_are_escaped() {
        assert_eq!(quoted("a\"b\\c\nd°"), "\"a\\\"b\\\\c\\u000ad°\"");
    }

    /// A machine as files: two thermometers of each kind, one of which cannot be read.
    #[test]
    fn a_machine_is_sampled_until_there_is_enough() {
        let root = std::env::temp_dir().join(format!("felice-telemetry-{}", std::process::id()));
        let file = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert!(Sampler::new(&root).is_err());
        file("proc/loadavg", "0.00 0.01 0.05 1/80 4\n");
        file("proc/meminfo", "MemTotal: 3 kB\nMemFree: 1 kB\nMemAvailable: 2 kB\n");
        file("proc/net/dev", NET_DEV);
        file("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n");
        file("sys/class/thermal/thermal_zone0/temp", "47250\n");
        file("sys/class/thermal/cooling_device0/type", "fan\n");
        file("sys/class/hwmon/hwmon0/name", "nvme\n");
        file("sys/class/hwmon/hwmon0/temp1_input", "38850\n");
        file("sys/class/hwmon/hwmon0/temp1_label", "Composite\n");
        file("sys/class/hwmon/hwmon0/temp2_input", "asleep\n");
        file("sys/class/hwmon/hwmon0/in0_input", "12000\n");
        let sampler = Sampler::new(&root).unwrap();
        let keys: Vec<String> = sampler.sample().into_iter().filter_map(|reading| reading.key).collect();
        let temperatures = ["temperature/thermal_zone0/x86_pkg_temp", "temperature/hwmon0/nvme/Composite"];
        assert_eq!(keys[..4], ["load", "memory", "network/lo", "network/wwan0"]);
        assert_eq!(keys[4..], temperatures);
        let mut last = 0;
        let readings = sampler.collect(8, |taken| last = taken);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!((readings.len(), last), (8, 8));
        assert_eq!(readings[6].key.as_deref(), Some("load"));
    }
}
