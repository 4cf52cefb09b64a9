//! One event: a tag and records.

use std::{borrow::Cow, io::Read};

use flate2::read::MultiGzDecoder;

use super::{
    decoder::malformed,
    msgpack::{Kind, write_text},
    reader::Reader,
};
use crate::{
    ingest::logs::{
        LogError, Writer,
        fields::{Fields, Json},
        time,
    },
    signal::TimestampNs,
};

/// An event as it lies in the buffer of its connection.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    tag: &'a [u8],
    entries: Entries<'a>,
    option: Options<'a>,
}

/// The modes of the protocol.
#[derive(Clone, Copy, Debug)]
enum Entries<'a> {
    /// Message: time and record.
    One(&'a [u8], &'a [u8]),
    /// Forward: a list of pairs of them.
    Listed(&'a [u8]),
    /// `PackedForward` and `CompressedPackedForward`: pairs one behind the other.
    Packed(&'a [u8]),
}

/// What an event says of itself.
#[derive(Clone, Copy, Debug, Default)]
struct Options<'a> {
    /// What is to be acknowledged.
    chunk: Option<&'a [u8]>,
    /// How packed entries are compressed.
    compressed: Option<&'a [u8]>,
}

/// How many records an event brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Written to the batch.
    pub taken: usize,
    /// Not a time and a record.
    pub refused: usize,
}

impl<'a> Event<'a> {
    /// Reads a message, which is complete.
    pub(super) fn read(message: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(message);
        let length = reader.list()?;
        let tag = reader.text()?;
        let (entries, used) = match reader.kind()? {
            Kind::List(_) => (Entries::Listed(reader.value()?), 2),
            Kind::Text | Kind::Bytes => (Entries::Packed(reader.text()?), 2),
            _ => (Entries::One(reader.value()?, reader.value()?), 3),
        };
        let has_option = length.checked_sub(used)? > 0;
        let option = if has_option { Options::read(reader) } else { Options::default() };
        Some(Self { tag, entries, option })
    }

    /// The tag, by which senders route.
    #[must_use]
    pub fn tag(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.tag)
    }

    /// The answer for who asks for one: to be sent when the records are kept, or the sender sends them again.
    #[must_use]
    pub fn ack(&self) -> Option<Vec<u8>> {
        let chunk = self.option.chunk?;
        let mut ack = vec![0x81];
        write_text(&mut ack, b"ack");
        write_text(&mut ack, chunk);
        Some(ack)
    }

    /// Adds the records to a batch.
    ///
    /// # Errors
    /// [`LogError`] when they are over a limit of the batch, or not compressed as the event says, or in another way than
    /// gzip; what is in the batch of this event then is not all of it.
    pub fn write(&self, writer: &mut Writer<'_>) -> Result<Tally, LogError> {
        let mut tally = Tally::default();
        let mut pairs = Pairs { tag: &self.tag(), fields: Fields::default(), tally: &mut tally, writer };
        match self.entries {
            Entries::One(time, record) => pairs.add(Reader::new(time), record)?,
            Entries::Listed(list) => {
                let mut reader = Reader::new(list);
                reader.list();
                pairs.add_all(reader)?;
            }
            Entries::Packed(packed) => match self.option.compressed {
                None | Some(b"text") => pairs.add_all(Reader::new(packed))?,
                Some(b"gzip") => {
                    let packed = decompress(packed, pairs.writer.limits().body_bytes)?;
                    pairs.add_all(Reader::new(&packed))?;
                }
                Some(other) => {
                    let other = String::from_utf8_lossy(other);
                    return Err(LogError::Unsupported(format!("entries are compressed with {other}; send gzip")));
                }
            },
        }
        Ok(tally)
    }
}

impl<'a> Options<'a> {
    fn read(mut reader: Reader<'a>) -> Self {
        let mut options = Self::default();
        let Some((Kind::Map(length), _)) = reader.next() else { return options };
        for _ in 0..length {
            let (Some(name), Some(value)) = (reader.value(), reader.value()) else { break };
            let text = Reader::new(value).text();
            match Reader::new(name).text() {
                Some(b"chunk") => options.chunk = text,
                Some(b"compressed") => options.compressed = text,
                _ => {}
            }
        }
        options
    }
}

/// Gzip, of one member or several.
fn decompress(compressed: &[u8], limit: usize) -> Result<Vec<u8>, LogError> {
    let mut packed = Vec::new();
    let read = MultiGzDecoder::new(compressed).take(limit as u64 + 1).read_to_end(&mut packed);
    read.map_err(|error| malformed(&format!("entries are no gzip: {error}"), 0))?;
    if packed.len() > limit { Err(LogError::BodyTooLarge { limit }) } else { Ok(packed) }
}

/// Writes pairs of time and record.
struct Pairs<'p, 'b> {
    tag: &'p str,
    fields: Fields,
    tally: &'p mut Tally,
    writer: &'p mut Writer<'b>,
}

impl Pairs<'_, '_> {
    fn add_all(&mut self, mut reader: Reader<'_>) -> Result<(), LogError> {
        while !reader.is_empty() {
            // What is no value ends it: nobody knows where the next begins.
            let Some(pair) = reader.value() else {
                self.tally.refused += 1;
                break;
            };
            let mut pair = Reader::new(pair);
            match (pair.list(), pair.value(), pair.value()) {
                (Some(2), Some(time), Some(record)) => self.add(Reader::new(time), record)?,
                _ => self.tally.refused += 1,
            }
        }
        Ok(())
    }

    fn add(&mut self, time: Reader<'_>, record: &[u8]) -> Result<(), LogError> {
        if self.fields.read(&mut Reader::new(record)).is_err() {
            self.tally.refused += 1;
            return Ok(());
        }
        self.fields.write(self.writer, ("tag", self.tag), event_time(time), || json(record))?;
        self.tally.taken += 1;
        Ok(())
    }
}

fn json(record: &[u8]) -> String {
    use serde::de::DeserializeSeed as _;
    let mut json = Vec::new();
    // What was read as fields can be read again.
    let _ = Json(&mut json).deserialize(&mut Reader::new(record));
    String::from_utf8_lossy(&json).into_owned()
}

/// Seconds, whole or not; an `EventTime`; or one of them in a list, where Fluent Bit puts metadata beside it.
fn event_time(mut reader: Reader<'_>) -> Option<TimestampNs> {
    const SECOND: i64 = 1_000_000_000;
    match reader.next()? {
        (Kind::Unsigned(seconds), _) => i64::try_from(seconds).ok()?.checked_mul(SECOND),
        (Kind::Signed(seconds), _) => seconds.checked_mul(SECOND),
        (Kind::Float(seconds), _) => time::seconds(seconds),
        (Kind::Extension(0), time) => {
            let time = u64::from_be_bytes(time.try_into().ok()?);
            let (seconds, nanoseconds) = ((time >> 32).cast_signed(), (time & 0xffff_ffff).cast_signed());
            Some(seconds * SECOND + nanoseconds)
        }
        (Kind::List(_), _) if !matches!(reader.kind(), Some(Kind::List(_))) => event_time(reader),
        _ => None,
    }
}
