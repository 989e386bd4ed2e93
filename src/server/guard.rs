//! Who may ask, and for what. Pages of the web must not reach the server through a browser, so `Host` and `Origin` are checked on
//! every path; TLS is a proxy's.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ipnet::IpNet;
use rand::{TryRng, rngs::SysRng};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    error::{Error, Result},
    web::{Guests, Scope},
};

/// A browser that has given its token once is known for so long.
const LOGGED_IN: Duration = Duration::from_hours(12);
/// Browsers that are known at once.
const MOST_BROWSERS: usize = 10_000;
/// Wrong tokens that one address may try in a minute.
const WRONG_TOKENS: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
/// The cookie of a browser that has given its token.
const COOKIE: &str = "cost_session";

type Hash = [u8; 32];

/// Who may ask.
pub(super) struct Guard {
    /// Names of this server, as `Host` has them, without the port and in small letters.
    hosts: Vec<String>,
    /// Those of them that are the server's alone, whatever the port: pages of these are its own.
    named: Vec<String>,
    /// SHA-256 of the tokens: all are equally long, so comparing them tells nothing.
    tokens: Vec<(Hash, Guest)>,
    proxies: Vec<IpNet>,
    identity_header: HeaderName,
    proxy_scopes: Vec<Scope>,
    /// Browsers by the hash of their cookie, and until when they are known.
    browsers: Mutex<BTreeMap<Hash, (Guest, Instant)>>,
    limiter: Option<DefaultKeyedRateLimiter<String>>,
    wrong_tokens: DefaultKeyedRateLimiter<IpAddr>,
    is_https: bool,
}

/// Somebody who asks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Guest {
    /// Who it is, as far as that is known: a name that a proxy gives; nothing for this machine's own user.
    pub name: String,
    pub scopes: Vec<Scope>,
    /// By what requests are counted.
    counted_as: Option<String>,
    /// Whether a browser shows the way out.
    pub is_logged_in: bool,
}

impl Guest {
    pub(super) fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whoever reads pages as files: nobody asks a server there.
    pub(super) fn of_files() -> Self {
        Self { scopes: Vec::new(), ..Self::at_this_machine() }
    }

    /// Whoever sits at this machine.
    pub(super) fn at_this_machine() -> Self {
        Self { name: String::new(), scopes: Scope::ALL.to_vec(), counted_as: None, is_logged_in: false }
    }
}

/// Why somebody is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Host,
    Origin,
    Unknown,
    TooMany,
    Scope(Scope),
}

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Refusal::Host | Refusal::Origin | Refusal::Scope(_) => StatusCode::FORBIDDEN,
            Refusal::Unknown => StatusCode::UNAUTHORIZED,
            Refusal::TooMany => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            Refusal::Host => "host_not_served",
            Refusal::Origin => "origin_refused",
            Refusal::Unknown => "token_needed",
            Refusal::TooMany => "too_many_requests",
            Refusal::Scope(_) => "scope_needed",
        }
    }

    /// What is wrong, and what to do about it.
    pub(super) fn words(self) -> (String, &'static str) {
        match self {
            Refusal::Host => {
                ("this `Host` is not served".to_owned(), "`server.hosts` of the configuration names others")
            }
            Refusal::Origin => ("a page of another site may not ask".to_owned(), "open the server's own pages"),
            Refusal::Unknown => ("a bearer token is needed".to_owned(), "`server.tokens` of the configuration has it"),
            Refusal::TooMany => ("too many requests in a minute".to_owned(), "ask again in a minute"),
            Refusal::Scope(scope) => (
                format!("the token is not for `{}`", scope.name()),
                "`server.tokens` of the configuration says what each is for",
            ),
        }
    }
}

impl Guard {
    /// # Errors
    /// When others than this machine could ask without a token or a proxy that names them, or a token cannot be read.
    pub(super) fn new(settings: &Guests, address: SocketAddr) -> Result<Self> {
        let token = |(place, token): (usize, &crate::web::Token)| {
            let hash = digest(token.place.read_own("server.tokens")?.expose());
            let counted_as = Some(format!("token {place}"));
            let (name, scopes) = (String::new(), token.scopes.clone());
            Ok((hash, Guest { name, scopes, counted_as, is_logged_in: false }))
        };
        let tokens = settings.tokens.iter().enumerate().map(token).collect::<Result<Vec<_>>>()?;
        let proxies = settings.proxies()?;
        if tokens.is_empty() && proxies.is_empty() && !address.ip().is_loopback() {
            return Err(Error::usage(format!(
                "`{address}` can be reached from other machines, and no token is configured"
            ))
            .hint("put `tokens: [{ env: NAME }]` under `server` in the configuration, or take 127.0.0.1")
            .hint("behind a proxy that says who somebody is, `server.trusted_proxies` names it"));
        }
        let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let bound = Some(address.ip()).filter(|ip| !ip.is_unspecified()).map(|ip| match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
        let public = settings.public_host().map(|host| without_port(host).to_lowercase());
        let named: Vec<String> = settings.hosts.iter().map(|host| host.to_lowercase()).chain(public).collect();
        let minute = |count: NonZeroU32| Quota::per_minute(count);
        let identity_header = settings
            .identity_header
            .parse::<HeaderName>()
            .map_err(|e| Error::input("`server.identity_header` is the name of no header").cause(e))?;
        Ok(Self {
            hosts: own.into_iter().chain(bound).chain(named.iter().cloned()).collect(),
            named,
            tokens,
            proxies,
            identity_header,
            proxy_scopes: settings.proxy_scopes.clone(),
            browsers: Mutex::default(),
            limiter: NonZeroU32::new(settings.requests_per_minute).map(|count| RateLimiter::keyed(minute(count))),
            wrong_tokens: RateLimiter::keyed(minute(WRONG_TOKENS)),
            is_https: settings.public_url.starts_with("https://"),
        })
    }

    /// Names of this server.
    pub(super) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Whether a request is for this server and from no page of another.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(&self, method: &Method, headers: &HeaderMap, uri_host: Option<&str>) -> Result<(), Refusal> {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let host = text(header::HOST).or(uri_host).unwrap_or_default();
        // Two of them are two opinions of whom it is for.
        if headers.get_all(header::HOST).iter().count() > 1 || !self.hosts.contains(&without_port(host).to_lowercase())
        {
            return Err(Refusal::Host);
        }
        if let Some(origin) = text(header::ORIGIN) {
            let own = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
            // A page of this server, and of no other on the same machine.
            let is_own =
                |own: &str| own.eq_ignore_ascii_case(host) || self.named.contains(&without_port(own).to_lowercase());
            if !own.is_some_and(is_own) {
                return Err(Refusal::Origin);
            }
        }
        // https://www.w3.org/TR/fetch-metadata/: following a link from elsewhere is fine, anything else is not.
        let site = text(HeaderName::from_static("sec-fetch-site"));
        let is_link = method == Method::GET && text(HeaderName::from_static("sec-fetch-mode")) == Some("navigate");
        match site {
            None | Some("same-origin" | "none") => Ok(()),
            Some(_) if is_link => Ok(()),
            Some(_) => Err(Refusal::Origin),
        }
    }

    /// Who asks. What a header says of who somebody is counts from a proxy that is trusted, and is taken out otherwise.
    ///
    /// # Errors
    /// When nobody knows, or a wrong token was tried too often.
    pub(super) fn guest(&self, headers: &mut HeaderMap, peer: IpAddr) -> Result<Guest, Refusal> {
        // An address of IPv4 that comes over IPv6 is the same.
        let peer = peer.to_canonical();
        let is_proxy = self.proxies.iter().any(|network| network.contains(&peer));
        let identities: Vec<_> = headers.get_all(&self.identity_header).iter().cloned().collect();
        if !is_proxy {
            headers.remove(&self.identity_header);
        } else if let [identity] = identities.as_slice() {
            let name = identity.to_str().unwrap_or_default().trim();
            if !name.is_empty() {
                let (name, counted_as) = (name.to_owned(), Some(format!("user {name}")));
                return Ok(Guest { name, scopes: self.proxy_scopes.clone(), counted_as, is_logged_in: false });
            }
        }
        let authorization = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
        if let Some((kind, token)) = authorization.and_then(|value| value.split_once(' '))
            && kind.eq_ignore_ascii_case("bearer")
        {
            return self.of_token(token.trim(), peer);
        }
        if let Some(guest) = self.of_cookie(headers) {
            return Ok(guest);
        }
        let is_open = self.tokens.is_empty() && self.proxies.is_empty();
        is_open.then(Guest::at_this_machine).ok_or(Refusal::Unknown)
    }

    /// Counts a request of a guest's.
    ///
    /// # Errors
    /// When there were too many.
    pub(super) fn count(&self, guest: &Guest) -> Result<(), Refusal> {
        match (&self.limiter, &guest.counted_as) {
            (Some(limiter), Some(name)) if limiter.check_key(name).is_err() => Err(Refusal::TooMany),
            _ => Ok(()),
        }
    }

    fn of_token(&self, token: &str, peer: IpAddr) -> Result<Guest, Refusal> {
        let given = digest(token);
        // All are compared, whichever is right.
        let find = |found: Option<usize>, (place, (token, _)): (usize, &(Hash, Guest))| {
            if bool::from(token.ct_eq(&given)) { Some(place) } else { found }
        };
        match self.tokens.iter().enumerate().fold(None, find) {
            Some(place) => Ok(self.tokens[place].1.clone()),
            None => {
                // Addresses that tried long ago are forgotten.
                if self.wrong_tokens.len() > MOST_BROWSERS {
                    self.wrong_tokens.retain_recent();
                }
                let is_often = self.wrong_tokens.check_key(&peer).is_err();
                Err(if is_often { Refusal::TooMany } else { Refusal::Unknown })
            }
        }
    }

    fn of_cookie(&self, headers: &HeaderMap) -> Option<Guest> {
        let hash = cookie(headers)?;
        let mut browsers = self.browsers.lock().unwrap_or_else(PoisonError::into_inner);
        let (guest, until) = browsers.get(&hash)?;
        if *until > Instant::now() {
            return Some(guest.clone());
        }
        browsers.remove(&hash);
        None
    }

    /// Lets a browser in that has a token; gives its cookie.
    ///
    /// # Errors
    /// When the token is wrong, or too many were.
    pub(super) fn log_in(&self, token: &str, peer: IpAddr) -> Result<String, Refusal> {
        let guest = Guest { is_logged_in: true, ..self.of_token(token.trim(), peer.to_canonical())? };
        let mut random = [0; 32];
        SysRng.try_fill_bytes(&mut random).map_err(|_| Refusal::Unknown)?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut browsers = self.browsers.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        browsers.retain(|_, (_, until)| *until > now);
        if browsers.len() >= MOST_BROWSERS {
            return Err(Refusal::TooMany);
        }
        browsers.insert(digest(&id), (guest, now + LOGGED_IN));
        Ok(self.cookie(&id, LOGGED_IN))
    }

    /// Forgets a browser; gives the cookie that takes its own away.
    pub(super) fn log_out(&self, headers: &HeaderMap) -> String {
        if let Some(hash) = cookie(headers) {
            self.browsers.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash);
        }
        self.cookie("", Duration::ZERO)
    }

    fn cookie(&self, id: &str, age: Duration) -> String {
        let secure = if self.is_https { "; Secure" } else { "" };
        format!("{COOKIE}={id}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secure}", age.as_secs())
    }
}

/// The hash of the cookie that a browser has from us.
fn cookie(headers: &HeaderMap) -> Option<Hash> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, id)| digest(id))
}

fn digest(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}

/// `localhost:8000` without its port; `[::1]:8000`, too.
fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(place) if !host.ends_with(']') => &host[..place],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::{Token, secret::Reference};

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn settings() -> Guests {
        crate::web::tests::guests()
    }

    /// A guard whose tokens are given, not read.
    fn guard(settings: &Guests, tokens: &[(&str, &[Scope])]) -> Guard {
        let mut guard = Guard::new(settings, "127.0.0.1:0".parse().expect("an address")).expect("a guard");
        guard.tokens = tokens
            .iter()
            .map(|(token, scopes)| {
                let guest = Guest {
                    scopes: scopes.to_vec(),
                    counted_as: Some((*token).to_owned()),
                    ..Guest::at_this_machine()
                };
                (digest(token), guest)
            })
            .collect();
        guard
    }

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, value.parse().expect("a header"));
        }
        headers
    }

    fn checked(guard: &Guard, method: Method, given: &[(&'static str, &str)]) -> Result<(), Refusal> {
        guard.check(&method, &headers(given), None)
    }

    #[test]
    fn foreign_hosts_and_pages_are_refused() {
        let named = Guests { hosts: vec!["costs.acme.internal".to_owned()], ..settings() };
        let guard = guard(&named, &[]);
        let get = |given: &[(&'static str, &str)]| checked(&guard, Method::GET, given);
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]", "costs.acme.internal"] {
            assert_eq!(get(&[("host", host)]), Ok(()), "{host}");
            assert_eq!(get(&[("host", host), ("origin", &format!("http://{host}"))]), Ok(()), "{host}");
        }
        // What rebinding looks like: a name of somebody else's that leads here.
        for host in ["evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.io:8000", "", "0.0.0.0:8000"] {
            assert_eq!(get(&[("host", host)]), Err(Refusal::Host), "{host}");
        }
        assert_eq!(get(&[]), Err(Refusal::Host));
        assert_eq!(get(&[("host", "localhost"), ("host", "localhost")]), Err(Refusal::Host));
        for origin in
            ["http://evil.example", "null", "http://localhost:3000", "file://", "http://localhost:8000.evil.example"]
        {
            assert_eq!(get(&[("host", "localhost:8000"), ("origin", origin)]), Err(Refusal::Origin), "{origin}");
        }
        // A proxy may write the host anew; the name is the server's all the same.
        let own = [("host", "127.0.0.1:8000"), ("origin", "https://costs.acme.internal")];
        assert_eq!(get(&own), Ok(()));
    }

    #[test]
    fn browsers_say_where_a_request_comes_from() {
        let guard = guard(&settings(), &[]);
        let ask = |method: Method, site: &str, mode: &str| {
            checked(&guard, method, &[("host", "localhost"), ("sec-fetch-site", site), ("sec-fetch-mode", mode)])
        };
        for site in ["same-origin", "none"] {
            assert_eq!((ask(Method::GET, site, "cors"), ask(Method::POST, site, "navigate")), (Ok(()), Ok(())));
        }
        for site in ["cross-site", "same-site", "something-new"] {
            assert_eq!(ask(Method::GET, site, "navigate"), Ok(()), "a link in a message");
            assert_eq!(ask(Method::GET, site, "no-cors"), Err(Refusal::Origin), "an image, a script");
            assert_eq!(ask(Method::POST, site, "navigate"), Err(Refusal::Origin), "a form");
        }
    }

    #[test]
    fn tokens_are_asked_for_where_there_are_any() {
        let guard =
            guard(&settings(), &[("first-token", &[Scope::Read]), ("second-token", &[Scope::Read, Scope::Query])]);
        let ask = |given: &str| guard.guest(&mut headers(&[("authorization", given)]), HERE).map(|guest| guest.scopes);
        assert_eq!(ask("Bearer first-token"), Ok(vec![Scope::Read]));
        assert_eq!(ask("bearer  second-token"), Ok(vec![Scope::Read, Scope::Query]));
        for wrong in ["Bearer first-toke", "Bearer first-tokens", "Bearer ", "Basic first-token", "first-token"] {
            assert_eq!(ask(wrong), Err(Refusal::Unknown), "{wrong}");
        }
        assert_eq!(guard.guest(&mut HeaderMap::new(), HERE), Err(Refusal::Unknown));
        // Whoever tries many hears that, and the right one is still taken.
        let tried: Vec<_> = (0..12).map(|one| ask(&format!("Bearer {one}"))).collect();
        assert!(tried.contains(&Err(Refusal::TooMany)), "{tried:?}");
        assert!(ask("Bearer first-token").is_ok());
    }

    #[test]
    fn a_browser_is_known_by_its_cookie_until_it_leaves() {
        let guard = guard(&settings(), &[("a-token", &[Scope::Read])]);
        assert_eq!(guard.log_in("b-token", HERE), Err(Refusal::Unknown));
        let cookie = guard.log_in("a-token", HERE).expect("the token");
        assert!(cookie.contains("HttpOnly") && !cookie.contains("a-token"), "{cookie}");
        let pair = cookie.split(';').next().expect("a pair").to_owned();
        let ask = |cookie: &str| guard.guest(&mut headers(&[("cookie", cookie)]), HERE);
        assert!(ask(&format!("x=1; {pair}")).expect("known").is_logged_in);
        assert_eq!(ask(&pair.replace('=', "=0")), Err(Refusal::Unknown));
        assert!(guard.log_out(&headers(&[("cookie", &pair)])).contains("Max-Age=0"));
        assert_eq!(ask(&pair), Err(Refusal::Unknown));
    }

    #[test]
    fn only_a_trusted_proxy_says_who_somebody_is() {
        let proxied = Guests { trusted_proxies: vec!["10.0.0.0/8".to_owned()], ..settings() };
        let guard = guard(&proxied, &[]);
        let ask = |peer: &str, names: &[&str]| {
            let given: Vec<_> = names.iter().map(|name| ("x-forwarded-user", *name)).collect();
            let mut headers = headers(&given);
            let guest = guard.guest(&mut headers, peer.parse().expect("an address"));
            (guest.map(|guest| guest.name), headers.contains_key("x-forwarded-user"))
        };
        assert_eq!(ask("10.1.2.3", &["ann"]), (Ok("ann".to_owned()), true));
        assert_eq!(ask("::ffff:10.1.2.3", &["ann"]).0, Ok("ann".to_owned()));
        assert_eq!(ask("127.0.0.1", &["ann"]), (Err(Refusal::Unknown), false));
        assert_eq!(ask("10.1.2.3", &[]).0, Err(Refusal::Unknown));
        assert_eq!(ask("10.1.2.3", &["ann", "root"]).0, Err(Refusal::Unknown), "two names are none");
    }

    #[test]
    fn requests_are_counted() {
        let few = Guests { requests_per_minute: 3, ..settings() };
        let guard = guard(&few, &[("a", &[Scope::Read]), ("b", &[Scope::Read])]);
        let (one, other) = (&guard.tokens[0].1, &guard.tokens[1].1);
        let counted: Vec<bool> = (0..5).map(|_| guard.count(one).is_ok()).collect();
        assert_eq!(counted, [true, true, true, false, false]);
        assert!(guard.count(other).is_ok());
        assert!((0..100).all(|_| guard.count(&Guest::at_this_machine()).is_ok()), "one's own machine is not counted");
    }

    #[test]
    fn nobody_else_asks_without_a_token() {
        let refused = |settings: &Guests, address: &str| Guard::new(settings, address.parse().expect("one")).is_err();
        let open = settings();
        assert!(!refused(&open, "127.0.0.1:8000") && !refused(&open, "[::1]:8000"));
        assert!(refused(&open, "0.0.0.0:8000") && refused(&open, "[::]:8000") && refused(&open, "192.0.2.1:8000"));
        let proxied = Guests { trusted_proxies: vec!["10.0.0.7".to_owned()], ..settings() };
        assert!(!refused(&proxied, "0.0.0.0:8000"));
        let place = Reference::Env("NO_SUCH_TOKEN_OF_ACME".to_owned());
        let missing = Guests { tokens: vec![Token { place, scopes: vec![Scope::Read] }], ..settings() };
        assert!(refused(&missing, "127.0.0.1:0"));
    }
}
