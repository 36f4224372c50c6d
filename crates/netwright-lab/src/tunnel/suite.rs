//! The cipher suites of ESP: what is encrypted with which key and vector, and what proves that it was not changed.
//!
//! Check values may be cut shorter than the cipher's own. So nothing is opened by a library that knows only whole ones: every one of these
//! ciphers adds a stream to the text, which does not depend on the text, and so encrypting what was encrypted gives the text back; encrypting
//! that again gives the check value to compare with. Only AES-CBC is opened by its own inverse, after its check value was compared.

use std::marker::PhantomData;

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::AesGcm;
use aes_gcm::aead::AeadInPlace;
use ccm::Ccm;
use ccm::consts::{U8, U11, U12, U16};
use chacha20poly1305::ChaCha20Poly1305;
use cipher::generic_array::GenericArray;
use cipher::{
    BlockCipher, BlockDecryptMut, BlockEncrypt, BlockEncryptMut, BlockSizeUser, InnerIvInit,
    KeyInit, StreamCipher,
};
use hmac::digest::Digest;
use hmac::{Mac, SimpleHmac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

/// Octets of an AES block.
const BLOCK: usize = 16;

/// A suite with its keys, for one direction.
pub(super) struct Suite {
    /// Octets of the vector that each packet carries.
    pub(super) iv: usize,
    /// Octets of the check value.
    pub(super) icv: usize,
    /// What the text is padded to.
    pub(super) align: usize,
    cipher: Box<dyn Cipher>,
    /// What the vector is preceded by.
    salt: Vec<u8>,
    check: Option<Check>,
}

/// What makes a check value, of a key and of what is checked.
type Keyed = fn(&[u8], [&[u8]; 2]) -> Vec<u8>;

/// A check value beside the cipher.
struct Check {
    key: Vec<u8>,
    make: Keyed,
}

/// A cipher with its key.
trait Cipher {
    /// Encrypts in place; the check value where the cipher makes one.
    fn seal(&self, nonce: &[u8], associated: &[u8], text: &mut [u8]) -> Vec<u8>;

    /// Decrypts in place.
    fn open(&self, nonce: &[u8], associated: &[u8], text: &mut [u8]) {
        // What it adds is what it takes away.
        self.seal(nonce, associated, text);
    }
}

/// A cipher with a check value of its own.
struct Combined<A>(A);

impl<A: AeadInPlace> Cipher for Combined<A> {
    fn seal(&self, nonce: &[u8], associated: &[u8], text: &mut [u8]) -> Vec<u8> {
        let nonce = GenericArray::from_slice(nonce);
        let made = self.0.encrypt_in_place_detached(nonce, associated, text);
        // Refused only beyond some gigabytes: then no check value fits.
        made.map(|value| value.to_vec()).unwrap_or_default()
    }
}

/// AES in counter mode (RFC 3686).
struct Counter<C>(C);

impl<C> Cipher for Counter<C>
where
    C: BlockCipher + BlockEncrypt + BlockEncryptMut + BlockSizeUser<BlockSize = U16> + Clone,
{
    fn seal(&self, nonce: &[u8], _associated: &[u8], text: &mut [u8]) -> Vec<u8> {
        let mut first = GenericArray::default();
        for (octet, of) in first.iter_mut().zip(nonce.iter().chain(&[0, 0, 0, 1])) {
            *octet = *of;
        }
        let core = ctr::CtrCore::<C, ctr::flavors::Ctr32BE>::inner_iv_init(self.0.clone(), &first);
        cipher::StreamCipherCoreWrapper::from_core(core).apply_keystream(text);
        Vec::new()
    }
}

/// AES with the blocks chained (RFC 3602).
struct Chained<C>(C);

impl<C> Cipher for Chained<C>
where
    C: BlockCipher + BlockEncryptMut + BlockDecryptMut + BlockSizeUser<BlockSize = U16> + Clone,
{
    fn seal(&self, nonce: &[u8], _associated: &[u8], text: &mut [u8]) -> Vec<u8> {
        let nonce = GenericArray::from_slice(nonce);
        let mut chain = cbc::Encryptor::inner_iv_init(self.0.clone(), nonce);
        for block in text.chunks_exact_mut(BLOCK) {
            chain.encrypt_block_mut(GenericArray::from_mut_slice(block));
        }
        Vec::new()
    }

    fn open(&self, nonce: &[u8], _associated: &[u8], text: &mut [u8]) {
        let nonce = GenericArray::from_slice(nonce);
        let mut chain = cbc::Decryptor::inner_iv_init(self.0.clone(), nonce);
        for block in text.chunks_exact_mut(BLOCK) {
            chain.decrypt_block_mut(GenericArray::from_mut_slice(block));
        }
    }
}

/// AES with one length of key, in each of the modes.
struct Modes<C>(PhantomData<C>);

impl<C> Modes<C>
where
    C: BlockCipher<BlockSize = U16>
        + BlockEncrypt
        + BlockEncryptMut
        + BlockDecryptMut
        + KeyInit
        + Clone
        + 'static,
{
    fn of(mode: Mode, key: &[u8]) -> Option<Box<dyn Cipher>> {
        let cipher = C::new_from_slice(key).ok()?;
        Some(match mode {
            Mode::Gcm => Box::new(Combined(AesGcm::<C, U12>::from(cipher))),
            Mode::Ccm(8) => Box::new(Combined(Ccm::<C, U8, U11>::from(cipher))),
            Mode::Ccm(12) => Box::new(Combined(Ccm::<C, U12, U11>::from(cipher))),
            Mode::Ccm(_) => Box::new(Combined(Ccm::<C, U16, U11>::from(cipher))),
            Mode::Counter => Box::new(Counter(cipher)),
            Mode::Chained => Box::new(Chained(cipher)),
            Mode::Chacha => return None,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Gcm,
    /// With a check value of so many octets.
    Ccm(usize),
    Chacha,
    Counter,
    Chained,
}

impl Mode {
    /// Octets of what precedes the vector.
    fn salt(self) -> usize {
        match self {
            Self::Ccm(_) => 3,
            Self::Gcm | Self::Chacha | Self::Counter => 4,
            Self::Chained => 0,
        }
    }
}

fn keyed<D: Digest + BlockSizeUser>(key: &[u8], parts: [&[u8]; 2]) -> Vec<u8> {
    // Keys of every length are taken.
    let Ok(mut mac) = <SimpleHmac<D> as Mac>::new_from_slice(key) else { return Vec::new() };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// What a name says: the mode, octets of the key and of the check value, and what makes one beside the cipher, with the octets of its key.
type Parts = (Mode, usize, usize, Option<(Keyed, usize)>);

/// Reads a name such as `aes-gcm-16` or `aes-256-cbc-sha256`.
fn parts(name: &str) -> Option<Parts> {
    let name = name.to_ascii_lowercase().replace(['_', ' '], "-");
    let key = if name.contains("aes256") || name.contains("aes-256") {
        32
    } else if name.contains("aes192") || name.contains("aes-192") {
        24
    } else {
        16
    };
    if name.contains("gcm") || name.contains("ccm") {
        let ends = |octets: &str| {
            name.ends_with(&format!("-{octets}")) || name.ends_with(&format!("cm{octets}"))
        };
        let icv = if ends("12") {
            12
        } else if ends("8") {
            8
        } else {
            16
        };
        let mode = if name.contains("gcm") { Mode::Gcm } else { Mode::Ccm(icv) };
        return Some((mode, key, icv, None));
    }
    if name.contains("chacha20") {
        return Some((Mode::Chacha, 32, 16, None));
    }
    let (icv, make, octets): (usize, Keyed, usize) = if name.contains("512") {
        (32, keyed::<Sha512>, 64)
    } else if name.contains("384") {
        (24, keyed::<Sha384>, 48)
    } else if name.contains("sha256") || name.contains("sha2-256") || name.contains("sha-256") {
        (16, keyed::<Sha256>, 32)
    } else if name.contains("sha1") || name.contains("sha-1") {
        (12, keyed::<Sha1>, 20)
    } else {
        return None;
    };
    let mode = if name.contains("ctr") {
        Mode::Counter
    } else if name.contains("cbc") {
        Mode::Chained
    } else {
        return None;
    };
    Some((mode, key, icv, Some((make, octets))))
}

impl Suite {
    /// The suite of a name; its keys are asked for by their length, all in one.
    pub(super) fn named(name: &str, keys: impl Fn(usize) -> Vec<u8>) -> Option<Self> {
        let (mode, octets, icv, check) = parts(name)?;
        let salt = mode.salt();
        let all = keys(octets + salt + check.map_or(0, |(_, octets)| octets));
        let (key, rest) = all.split_at_checked(octets)?;
        let (salt, beside) = rest.split_at_checked(salt)?;
        let cipher = match (mode, octets) {
            (Mode::Chacha, _) => {
                Box::new(Combined(ChaCha20Poly1305::new_from_slice(key).ok()?)) as Box<dyn Cipher>
            }
            (_, 32) => Modes::<Aes256>::of(mode, key)?,
            (_, 24) => Modes::<Aes192>::of(mode, key)?,
            _ => Modes::<Aes128>::of(mode, key)?,
        };
        let (iv, align) = if mode == Mode::Chained { (BLOCK, BLOCK) } else { (8, 4) };
        let check = check.map(|(make, _)| Check { key: beside.to_vec(), make });
        Some(Self { iv, icv, align, cipher, salt: salt.to_vec(), check })
    }

    /// The vector of a packet by its number. That of chained blocks must not be known beforehand: it is the number, encrypted.
    pub(super) fn vector(&self, number: u32) -> Vec<u8> {
        let mut vector = vec![0; self.iv];
        if let Some(last) = vector.last_chunk_mut() {
            *last = number.to_be_bytes();
        }
        if self.align == BLOCK {
            self.cipher.seal(&[0; BLOCK], &[], &mut vector);
        }
        vector
    }

    fn nonce(&self, vector: &[u8]) -> Vec<u8> {
        [&self.salt, vector].concat()
    }

    /// Encrypts the text of a packet, which follows `header` and `vector`, and gives its check value.
    pub(super) fn seal(&self, header: &[u8], vector: &[u8], text: &mut [u8]) -> Vec<u8> {
        let mut value = self.cipher.seal(&self.nonce(vector), header, text);
        if let Some(check) = &self.check {
            value = (check.make)(&check.key, [&[header, vector].concat(), text]);
        }
        value.truncate(self.icv);
        value
    }

    /// Decrypts the text of a packet. False where it is not what the other end sent.
    pub(super) fn open(&self, header: &[u8], vector: &[u8], text: &mut [u8], value: &[u8]) -> bool {
        let nonce = self.nonce(vector);
        let found = match &self.check {
            Some(check) => {
                let found = (check.make)(&check.key, [&[header, vector].concat(), text]);
                self.cipher.open(&nonce, header, text);
                found
            }
            None => {
                self.cipher.open(&nonce, header, text);
                self.cipher.seal(&nonce, header, &mut text.to_vec())
            }
        };
        let found = found.get(..self.icv).unwrap_or_default();
        let differ = found.iter().zip(value).fold(0, |differ, (one, other)| differ | (one ^ other));
        found.len() == value.len() && !value.is_empty() && differ == 0
    }
}

#[cfg(test)]
mod tests;
