//! The formats of traces.

use std::fmt;
use std::str::FromStr;

/// The format of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceFormat {
    /// A time, an id and a size in each line, separated by commas.
    Csv,
    /// An id in each line; every image has the size 1. libCacheSim's `txt`.
    Text,
    /// Records of 24 bytes. libCacheSim's `oracleGeneral`.
    OracleGeneral,
    /// The access log of nginx, in its format `combined` or one that begins like it (so also Apache's).
    Nginx,
    /// The access log of Squid, in its native format.
    Squid,
    /// The log of `image-cache serve`, as text or JSON.
    AccessLog,
}

impl TraceFormat {
    /// All of them.
    pub const ALL: [TraceFormat; 6] = [
        TraceFormat::Csv,
        TraceFormat::Text,
        TraceFormat::OracleGeneral,
        TraceFormat::Nginx,
        TraceFormat::Squid,
        TraceFormat::AccessLog,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            TraceFormat::Csv => "csv",
            TraceFormat::Text => "txt",
            TraceFormat::OracleGeneral => "oracle-general",
            TraceFormat::Nginx => "nginx",
            TraceFormat::Squid => "squid",
            TraceFormat::AccessLog => "access-log",
        }
    }

    /// What one record is called in messages.
    pub(super) fn unit(self) -> &'static str {
        if self == TraceFormat::OracleGeneral { "record" } else { "line" }
    }

    /// Whether it is the log of a server, which has lines of other kinds, and sizes only of what was sent.
    pub(super) fn is_log(self) -> bool {
        matches!(self, TraceFormat::Nginx | TraceFormat::Squid | TraceFormat::AccessLog)
    }
}

impl fmt::Display for TraceFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TraceFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = TraceFormat::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| {
            let names = TraceFormat::ALL.map(TraceFormat::name).join(", ");
            format!("there is no trace format {name:?}; known are {names}")
        })
    }
}
