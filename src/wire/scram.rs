//! SCRAM-SHA-256 (RFC 5802, RFC 7677) over stored verifiers, the server's side.
//! Must never keep a password, and never let a client tell an unknown user from a wrong password.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// Iterations of a new verifier, Postgres's own default.
pub const DEFAULT_ITERATIONS: u32 = 4096;
/// The mechanism's name.
pub const MECHANISM: &str = "SCRAM-SHA-256";

/// What is stored of a password: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`,
/// base64 within, the format of Postgres's `pg_authid.rolpassword`.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    iterations: u32,
    salt: Vec<u8>,
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier(redacted)")
    }
}

/// Why a text is not a verifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a SCRAM-SHA-256 verifier: make one with `frazil passwd` (a plain password is never stored)"
)]
pub struct InvalidVerifier;

impl std::str::FromStr for Verifier {
    type Err = InvalidVerifier;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("SCRAM-SHA-256$").ok_or(InvalidVerifier)?;
        let (head, keys) = rest.split_once('$').ok_or(InvalidVerifier)?;
        let (iterations, salt) = head.split_once(':').ok_or(InvalidVerifier)?;
        let (stored, server) = keys.split_once(':').ok_or(InvalidVerifier)?;
        let key = |text: &str| -> Result<[u8; 32], InvalidVerifier> {
            BASE64
                .decode(text)
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or(InvalidVerifier)
        };
        let iterations = iterations.parse().map_err(|_| InvalidVerifier)?;
        let salt = BASE64.decode(salt).map_err(|_| InvalidVerifier)?;
        if iterations == 0 || salt.is_empty() {
            return Err(InvalidVerifier);
        }
        Ok(Self {
            iterations,
            salt,
            stored_key: key(stored)?,
            server_key: key(server)?,
        })
    }
}

/// Makes the text to store for a password. `salt` should be 16 random bytes.
pub fn make_verifier(password: &str, salt: &[u8], iterations: u32) -> String {
    let salted = salted_password(password, salt, iterations);
    let stored_key: [u8; 32] = Sha256::digest(mac(&salted, &[b"Client Key"])).into();
    let server_key = mac(&salted, &[b"Server Key"]);
    format!(
        "SCRAM-SHA-256${iterations}:{}${}:{}",
        BASE64.encode(salt),
        BASE64.encode(stored_key),
        BASE64.encode(server_key)
    )
}

/// PBKDF2-HMAC-SHA-256 of one block. The password is taken as it is: SASLprep changes only
/// non-ASCII text, and Postgres falls back to the raw bytes as well where it can't apply it.
fn salted_password(password: &str, salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut block = mac(password.as_bytes(), &[salt, &1u32.to_be_bytes()]);
    let mut result = block;
    for _ in 1..iterations {
        block = mac(password.as_bytes(), &[&block]);
        for (total, byte) in result.iter_mut().zip(block) {
            *total ^= byte;
        }
    }
    result
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Why an exchange ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The client does not speak the protocol.
    Malformed(&'static str),
    /// The proof is wrong, or the user is unknown.
    WrongPassword,
}

/// One exchange: first message in, challenge out, proof in, signature out.
pub struct Exchange {
    verifier: Verifier,
    /// False for an unknown user: the exchange runs on a mock verifier and never succeeds.
    genuine: bool,
    client_first_bare: String,
    gs2_header: String,
    server_first: String,
    nonce: String,
}

impl Exchange {
    /// Answers the client's first message. `server_nonce` is fresh randomness. For an unknown user
    /// the salt derives from the name and the process's secret, so that it is the same each time.
    pub fn start(
        verifier: Option<&Verifier>,
        user: &str,
        process_secret: &[u8],
        server_nonce: &[u8],
        client_first: &str,
    ) -> Result<Self, Failure> {
        let malformed = Failure::Malformed("malformed SCRAM message");
        // gs2-header: channel binding flag, optional authzid, both ended by commas.
        let mut parts = client_first.splitn(3, ',');
        let flag = parts.next().ok_or(malformed.clone())?;
        let authzid = parts.next().ok_or(malformed.clone())?;
        let bare = parts.next().ok_or(malformed.clone())?;
        if flag != "n" && flag != "y" {
            return Err(Failure::Malformed(
                "SCRAM channel binding is not supported on this connection",
            ));
        }
        if !authzid.is_empty() {
            return Err(Failure::Malformed(
                "SCRAM authorization identities are not supported",
            ));
        }
        let client_nonce = bare
            .split(',')
            .find_map(|part| part.strip_prefix("r="))
            .filter(|nonce| !nonce.is_empty())
            .ok_or(malformed)?;
        let (verifier, genuine) = match verifier {
            Some(verifier) => (verifier.clone(), true),
            None => (mock_verifier(user, process_secret), false),
        };
        let nonce = format!("{client_nonce}{}", BASE64.encode(server_nonce));
        let server_first = format!(
            "r={nonce},s={},i={}",
            BASE64.encode(&verifier.salt),
            verifier.iterations
        );
        Ok(Self {
            verifier,
            genuine,
            client_first_bare: bare.to_owned(),
            gs2_header: format!("{flag},,"),
            server_first,
            nonce,
        })
    }

    /// The challenge.
    pub fn server_first(&self) -> &str {
        &self.server_first
    }

    /// Checks the proof; gives the server's signature message.
    pub fn finish(self, client_final: &str) -> Result<String, Failure> {
        let malformed = Failure::Malformed("malformed SCRAM message");
        let (without_proof, proof) = client_final.rsplit_once(",p=").ok_or(malformed.clone())?;
        let mut parts = without_proof.split(',');
        let binding = parts
            .next()
            .and_then(|part| part.strip_prefix("c="))
            .ok_or(malformed.clone())?;
        let nonce = parts
            .next()
            .and_then(|part| part.strip_prefix("r="))
            .ok_or(malformed.clone())?;
        if BASE64.decode(binding).ok().as_deref() != Some(self.gs2_header.as_bytes())
            || nonce != self.nonce
        {
            return Err(Failure::Malformed(
                "SCRAM nonce or channel binding does not match",
            ));
        }
        let proof: [u8; 32] = BASE64
            .decode(proof)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(malformed)?;
        let auth_message = format!(
            "{},{},{without_proof}",
            self.client_first_bare, self.server_first
        );
        let signature = mac(&self.verifier.stored_key, &[auth_message.as_bytes()]);
        let mut client_key = proof;
        for (byte, other) in client_key.iter_mut().zip(signature) {
            *byte ^= other;
        }
        let stored: [u8; 32] = Sha256::digest(client_key).into();
        // Constant time: every byte is compared. The unknown user runs the same steps.
        let different = stored
            .iter()
            .zip(self.verifier.stored_key)
            .fold(0u8, |sum, (a, b)| sum | (a ^ b));
        if different != 0 || !self.genuine {
            return Err(Failure::WrongPassword);
        }
        let signature = mac(&self.verifier.server_key, &[auth_message.as_bytes()]);
        Ok(format!("v={}", BASE64.encode(signature)))
    }
}

fn mock_verifier(user: &str, process_secret: &[u8]) -> Verifier {
    let seed = mac(process_secret, &[b"mock", user.as_bytes()]);
    Verifier {
        iterations: DEFAULT_ITERATIONS,
        salt: seed[..16].to_vec(),
        stored_key: mac(process_secret, &[b"stored", user.as_bytes()]),
        server_key: mac(process_secret, &[b"server", user.as_bytes()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example exchange of RFC 7677, section 3.
    #[test]
    fn the_rfc_example_passes() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier: Verifier = make_verifier("pencil", &salt, 4096).parse().unwrap();
        let mut exchange = Exchange::start(
            Some(&verifier),
            "user",
            b"s",
            b"x",
            "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        )
        .unwrap();
        // The RFC's server nonce, which is not base64 of anything of ours.
        exchange.nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".into();
        exchange.server_first = format!("r={},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", exchange.nonce);
        let reply = exchange
            .finish(
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                 p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            )
            .unwrap();
        assert_eq!(reply, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn unknown_users_get_the_same_challenge_and_never_pass() {
        let first = "n,,n=,r=abc";
        let one = Exchange::start(None, "eve", b"secret", b"1", first).unwrap();
        let two = Exchange::start(None, "eve", b"secret", b"1", first).unwrap();
        assert_eq!(one.server_first(), two.server_first());
        assert!(one.server_first().ends_with(",i=4096"));
        let nonce = one.nonce.clone();
        let proof = BASE64.encode([0u8; 32]);
        assert_eq!(
            one.finish(&format!("c=biws,r={nonce},p={proof}")),
            Err(Failure::WrongPassword)
        );
    }

    #[test]
    fn malformed_messages_are_refused() {
        for text in [
            "",
            "n",
            "n,",
            "n,,",
            "p=tls-unique,,n=,r=x",
            "n,a=bob,n=,r=x",
            "n,,n=,r=",
        ] {
            assert!(
                Exchange::start(None, "u", b"s", b"n", text).is_err(),
                "{text}"
            );
        }
        assert!("plain".parse::<Verifier>().is_err());
        assert!(
            "SCRAM-SHA-256$0:AA==$AA==:AA=="
                .parse::<Verifier>()
                .is_err()
        );
    }
}
