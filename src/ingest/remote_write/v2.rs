//! Remote write 2.0: `io.prometheus.write.v2.Request`.
//!
//! Labels are references into a table of symbols. The table is copied once, as one text, so that each string is checked
//! for UTF-8 once, however many series use it.

use super::{
    DecodeError, Fault, Limits,
    request::Collector,
    series::{LabelSpan, Load},
    view::MetadataV2,
};
use crate::ingest::wire::{Reader, Span};

/// A symbol's place in the text of [`Symbols`].
#[derive(Clone, Copy, Debug)]
struct Symbol {
    start: u32,
    end: u32,
    /// Whether it came as UTF-8. If not, the text has a readable replacement, for error messages only.
    valid: bool,
}

/// The symbol table of a request; empty for 1.0.
#[derive(Clone, Debug, Default)]
pub(super) struct Symbols {
    text: String,
    symbols: Vec<Symbol>,
}

impl Symbols {
    fn read(body: &[u8], limits: &Limits) -> Result<Self, DecodeError> {
        let mut table = Self::default();
        let mut request = Reader::of(body);
        while let Some(field) = request.field()? {
            if field.number != 4 {
                continue;
            }
            if table.symbols.len() >= limits.symbols {
                return Err(DecodeError::TooMany { what: "symbols", limit: limits.symbols });
            }
            let span = field.bytes()?;
            let start = table.text.len() as u32;
            let text = std::str::from_utf8(&body[span.start..span.end]);
            // A symbol that is no UTF-8 contributes at most the same number of bytes, so that offsets stay below 4 GiB.
            match text {
                Ok(text) => table.text.push_str(text),
                Err(error) => {
                    let readable = &body[span.start..span.start + error.valid_up_to()];
                    table.text.push_str(std::str::from_utf8(readable).unwrap_or_default());
                }
            }
            table.symbols.push(Symbol { start, end: table.text.len() as u32, valid: text.is_ok() });
        }
        Ok(table)
    }

    /// The string that `reference` stands for, `None` when it is out of range or not UTF-8.
    pub(super) fn get(&self, reference: u64) -> Option<&str> {
        let symbol = self.symbols.get(usize::try_from(reference).ok()?).filter(|symbol| symbol.valid)?;
        self.text.get(symbol.start as usize..symbol.end as usize)
    }

    #[inline]
    fn symbol(&self, reference: u32) -> Result<(Span, bool), Fault> {
        let symbol = self.symbols.get(reference as usize).ok_or(Fault::SymbolRef)?;
        Ok((Span { start: symbol.start as usize, end: symbol.end as usize }, symbol.valid))
    }
}

/// Walks the request, hands each series to `collector` and returns the symbol table.
pub(super) fn walk(body: &[u8], collector: &mut Collector<'_>) -> Result<Symbols, DecodeError> {
    // Symbols come first from all known senders, but protobuf does not promise any order of fields. Looking for them
    // through the whole request costs a hop per series.
    let symbols = Symbols::read(body, collector.limits)?;
    let mut refs = Vec::new();
    let mut request = Reader::of(body);
    while let Some(field) = request.field()? {
        if field.number == 5 {
            series(body, field.bytes()?, &symbols, &mut refs, collector)?;
        }
    }
    Ok(symbols)
}

fn series(
    body: &[u8],
    message: Span,
    symbols: &Symbols,
    refs: &mut Vec<u32>,
    collector: &mut Collector<'_>,
) -> Result<(), DecodeError> {
    refs.clear();
    // One pair beyond the limit is enough to see that there are too many.
    let refs_max = collector.limits.labels.saturating_add(1).saturating_mul(2);
    let mut refs_seen = 0usize;
    let mut load = Load::default();
    let mut fields = Reader::new(body, message);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => field.each_varint(body, |reference| {
                refs_seen += 1;
                if refs_seen <= refs_max {
                    // What does not fit 32 bits is out of range like `u32::MAX`: no table is that long.
                    refs.push(u32::try_from(reference).unwrap_or(u32::MAX));
                }
            })?,
            2 => load.sample(body, field)?,
            3 => load.histogram(body, field, &mut collector.parts)?,
            4 => {
                field.bytes()?;
                load.exemplars += 1;
            }
            5 => MetadataV2::default().merge(body, field.bytes()?)?,
            _ => {}
        }
    }
    let identity = resolve(refs, refs_seen, symbols, collector).and_then(|()| {
        let text = symbols.text.as_str();
        // What is no text was found when it was looked up.
        collector.labels.identify(text.as_bytes(), true, collector.limits, |span| text.get(span.start..span.end))
    });
    let has_both = load.samples > 0 && (load.histograms > 0 || load.bad_histograms > 0);
    let identity = if has_both { identity.and(Err(Fault::Mixed)) } else { identity };
    collector.close(message, load, identity, symbols.text.as_bytes())
}

/// Looks the references up. On a fault, the labels so far stay for the description of the series.
#[inline]
fn resolve(refs: &[u32], refs_seen: usize, symbols: &Symbols, collector: &mut Collector<'_>) -> Result<(), Fault> {
    collector.labels.clear();
    let text = symbols.text.as_bytes();
    let mut fault = None;
    for pair in refs.chunks_exact(2) {
        let found = symbols.symbol(pair[0]).and_then(|name| Ok((name, symbols.symbol(pair[1])?)));
        match found {
            Ok(((name, name_valid), (value, value_valid))) => {
                collector.labels.push(text, LabelSpan { name, value }, collector.limits);
                if !(name_valid && value_valid) {
                    fault.get_or_insert(Fault::Utf8);
                }
            }
            Err(bad_ref) => {
                fault.get_or_insert(bad_ref);
            }
        }
    }
    if refs_seen % 2 == 1 {
        fault = Some(Fault::OddRefs);
    }
    fault.map_or(Ok(()), Err)
}
