//! Writing protobuf: fields one behind the other, each function a field.

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;

/// Adds a packed `repeated double`.
pub(super) fn put_doubles(out: &mut Vec<u8>, number: u32, values: impl Iterator<Item = f64>) {
    let packed: Vec<u8> = values.flat_map(|value| value.to_bits().to_le_bytes()).collect();
    put_bytes(out, number, &packed);
}

/// Adds a `double`, also where it is 0.
pub(super) fn put_double(out: &mut Vec<u8>, number: u32, value: f64) {
    push_tag(out, number, FIXED64);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

/// Adds a number, also where it is 0.
pub(super) fn put_varint(out: &mut Vec<u8>, number: u32, value: u64) {
    push_tag(out, number, VARINT);
    push_varint(out, value);
}

/// Adds a string, bytes or a message.
pub(super) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    push_tag(out, number, BYTES);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn push_tag(out: &mut Vec<u8>, number: u32, wire_type: u8) {
    push_varint(out, u64::from(number) << 3 | u64::from(wire_type));
}

/// Adds a number alone, as in a packed field.
pub(super) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
