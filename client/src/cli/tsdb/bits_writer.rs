//! Writes chunks, for tests to read them back.

/// Writes bits, for chunks to read back.
#[derive(Default)]
pub struct Writer {
    pub bytes: Vec<u8>,
    used: usize,
}

impl Writer {
    pub fn put(&mut self, value: u64, count: u32) {
        for i in (0..count).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let at = self.used / 8;
            self.bytes[at] |= ((value >> i & 1) as u8) << (7 - self.used % 8);
            self.used += 1;
        }
    }

    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put(value & 0x7f | 0x80, 8);
            value >>= 7;
        }
        self.put(value, 8);
    }

    pub fn change(&mut self, change: i64) {
        let fits = |size: u32| change > -(1 << (size - 1)) && change <= 1 << (size - 1);
        match change {
            0 => self.put(0, 1),
            c if fits(14) => self.sized(0b10, 2, c, 14),
            c if fits(17) => self.sized(0b110, 3, c, 17),
            c if fits(20) => self.sized(0b1110, 4, c, 20),
            c => self.sized(0b1111, 4, c, 64),
        }
    }

    pub fn sized(&mut self, prefix: u64, prefix_bits: u32, change: i64, size: u32) {
        self.put(prefix, prefix_bits);
        self.put(if size == 64 { change as u64 } else { change as u64 & ((1 << size) - 1) }, size);
    }

    pub fn value(&mut self, before: f64, value: f64, window: &mut (u32, u32)) {
        let xor = before.to_bits() ^ value.to_bits();
        if xor == 0 {
            return self.put(0, 1);
        }
        let (leading, trailing) = (xor.leading_zeros().min(31), xor.trailing_zeros());
        if *window != (99, 0) && leading >= window.0 && trailing >= window.1 {
            self.put(0b10, 2);
            return self.put(xor >> window.1, 64 - window.0 - window.1);
        }
        *window = (leading, trailing);
        let meaning = 64 - leading - trailing;
        self.put(0b11, 2);
        self.put(u64::from(leading), 5);
        self.put(u64::from(meaning & 63), 6);
        self.put(xor >> trailing, meaning);
    }
}

impl Writer {
    /// A number in one of nine sizes; `signed` ones are centred.
    pub fn small(&mut self, value: i64, signed: bool) {
        let sizes = [3u32, 6, 9, 12, 18, 25, 56, 64];
        if value == 0 {
            return self.put(0, 1);
        }
        let fits = |size: u32| match signed {
            _ if size == 64 => true,
            true => value > -(1 << (size - 1)) && value <= 1 << (size - 1),
            false => (value as u64) < 1 << size,
        };
        let at = sizes.iter().position(|size| fits(*size)).unwrap_or(7);
        // As many ones as the place of the size, and a zero behind all but the last.
        for _ in 0..=at {
            self.put(1, 1);
        }
        if at < 7 {
            self.put(0, 1);
        }
        let size = sizes[at];
        self.put(if size == 64 { value as u64 } else { value as u64 & ((1 << size) - 1) }, size);
    }
}
