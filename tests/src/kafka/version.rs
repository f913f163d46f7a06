//! The versions of Apache Kafka that can be run, and what each needs.

/// A version of Apache Kafka.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KafkaVersion {
    /// The oldest that felice is for: of 2019, and the oldest that Java's clients of Kafka 4 speak to (KIP-896).
    V2_1_1,
    /// Of the last line that needs ZooKeeper.
    V2_8_2,
    /// Of the last line that can run on ZooKeeper; here it runs on KRaft.
    V3_9_1,
    /// What tests run unless they say otherwise, and the version of Java's clients for all of them.
    #[default]
    V4_3_1,
}

/// What keeps a cluster's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quorum {
    /// The brokers, which are controllers, too.
    KRaft,
    /// A ZooKeeper in the only broker's process.
    ZooKeeper,
}

/// What the versions log with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logging {
    Log4j1,
    Log4j2,
}

/// Group, name and version of an artifact beside Kafka's server.
type Artifact = (&'static str, &'static str, &'static str);

impl KafkaVersion {
    /// All of them, the oldest first.
    pub const ALL: [Self; 4] = [Self::V2_1_1, Self::V2_8_2, Self::V3_9_1, Self::V4_3_1];

    /// As Kafka writes it.
    pub const fn number(self) -> &'static str {
        match self {
            Self::V2_1_1 => "2.1.1",
            Self::V2_8_2 => "2.8.2",
            Self::V3_9_1 => "3.9.1",
            Self::V4_3_1 => "4.3.1",
        }
    }

    pub(crate) const fn quorum(self) -> Quorum {
        match self {
            Self::V2_1_1 | Self::V2_8_2 => Quorum::ZooKeeper,
            Self::V3_9_1 | Self::V4_3_1 => Quorum::KRaft,
        }
    }

    pub(crate) const fn logging(self) -> Logging {
        match self {
            Self::V2_1_1 | Self::V2_8_2 | Self::V3_9_1 => Logging::Log4j1,
            Self::V4_3_1 => Logging::Log4j2,
        }
    }

    /// The Maven project whose dependencies are what a broker needs.
    pub(crate) fn pom(self) -> String {
        let besides = self.besides().iter().map(|(group, name, version)| {
            format!(
                "<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
            )
        });
        include_str!("pom.xml")
            .replace("@SCALA@", self.scala())
            .replace("@KAFKA@", self.number())
            .replace("@ZOOKEEPER@", self.zookeeper())
            .replace("@BESIDES@", &besides.collect::<String>())
    }

    const fn scala(self) -> &'static str {
        match self {
            Self::V2_1_1 | Self::V2_8_2 => "2.12",
            Self::V3_9_1 | Self::V4_3_1 => "2.13",
        }
    }

    /// Kafka 2.1 came with ZooKeeper 3.4.13, whose client finds no server on Java 14 and newer; any 3.5 can do all that it
    /// could.
    const fn zookeeper(self) -> &'static str {
        match self {
            Self::V2_1_1 | Self::V2_8_2 => "3.5.9",
            Self::V3_9_1 | Self::V4_3_1 => "3.8.4",
        }
    }

    /// The binding for the slf4j that the version is compiled against, and the tools where tests use them.
    const fn besides(self) -> &'static [Artifact] {
        match self.logging() {
            Logging::Log4j1 => &[("org.slf4j", "slf4j-reload4j", "1.7.36")],
            Logging::Log4j2 => &[
                ("org.apache.kafka", "kafka-tools", "4.3.1"),
                ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3"),
            ],
        }
    }

    /// The Java programs that are compiled for it. Java's clients are those of the default version for all brokers.
    pub(crate) const fn sources(self) -> &'static [(&'static str, &'static str)] {
        const BROKER: (&str, &str) = ("Broker.java", include_str!("../../java/Broker.java"));
        const ORACLE: (&str, &str) = ("Oracle.java", include_str!("../../java/Oracle.java"));
        const ZOOKEEPER_BROKER: (&str, &str) =
            ("ZooKeeperBroker.java", include_str!("../../java/ZooKeeperBroker.java"));
        match self {
            Self::V2_1_1 | Self::V2_8_2 => &[ZOOKEEPER_BROKER],
            Self::V3_9_1 => &[BROKER],
            Self::V4_3_1 => &[BROKER, ORACLE],
        }
    }
}
