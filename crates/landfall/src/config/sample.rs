//! A configuration file with every table, for tests.

pub(super) const EVERYTHING: &str = r#"
        listen = "127.0.0.1:0"
        case = "c"
        session = "s"
        device = "d"
        reviewer = "r"
        upstream-verify = "record"
        on-malformed = "close"
        wire = "full"
        upstream-ca = ["ca.pem"]
        intercept = ["a.bank.example"]
        passthrough = ["*.bank.example", "port:993"]
        block = ["country:CN", "AS64496", "203.0.113.0/24"]
        on-distrust = "block"
        authority-key = "rsa2048"
        allow = ["203.0.113.0/24"]
        duration = "10m"
        fail-on = "country:CN"
        [proxy]
        credentials = [{ user = "weather", password = "sunny" }, { user = "b", password = "c" }]
        credentials-file = ["users"]
        trusted-forwarders = ["10.0.0.0/8"]
        [[client-certificate]]
        host = "*.mtls.example"
        certificate = "client.pem"
        key = "client.key"
        [transparent]
        listen = ["0.0.0.0:8081", "[::]:8081"]
        mode = "tproxy"
        mark = 19526
        [upstream-proxy]
        url = "socks5h://proxy.example:1080"
        except = ["*.direct.example"]
        [limits]
        connections = 5
        client-hello-bytes = "32KiB"
        idle-time = "1h"
        [resolver]
        servers = ["127.0.0.1:53", "tls://192.0.2.1#dns.example", "https://192.0.2.1/q"]
        watch = true
        [resolve]
        "host.example" = ["1.2.3.4"]
        "cdn.example" = { cnames = ["a.cdn-zone.example"], addresses = ["1.2.3.4", "::1"] }
        [dial]
        "8.136.0.1" = "127.0.0.1:18443"
        "[2001:db8::1]:443" = "127.0.0.1:18444"
        [geo]
        set = "embedded"
        [geo.update]
        dbip-country = "https://mirror.example/dbip-{YYYY}-{MM}.mmdb.gz"
        ipfire = "http://127.0.0.1:8080/location.db.xz"
        ipfire-key = "mirror.pem"
        [[geo.override]]
        network = "203.0.113.0/24"
        country = "CN"
        asn = 64496
        operator = "Example Group"
        note = "measured"
        [[statement]]
        text = "the traffic does not leave the region"
        host = "host.example"
        says = "located:SG"
        [[flag]]
        name = "clouds"
        when = "operator:Alibaba or cname:alicdn.com"
        severity = "warning"
        [[flag]]
        name = "odd-ports"
        when = "not(port:80,443)"
        [evidence]
        key = "/etc/landfall/id_ed25519"
        [vantage]
        lat = 1.3521
        lon = 103.8198
        uncertainty-km = 25
        [simulate.rtt-ms]
        "8.136.0.1" = 4.5
    "#;
