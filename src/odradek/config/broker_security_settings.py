"""Broker settings, one of eight modules: security.

Authorizer, TLS, SASL and delegation tokens. This version serves PLAINTEXT listeners only: a listener of another protocol is refused, and
settings that could only act on such a listener are inert, as they are in Kafka without one.
"""

from __future__ import annotations

from odradek.config.declaration import (
    HIGH,
    INERT,
    LOW,
    PER_BROKER,
    REFUSED,
    boolean,
    class_name,
    double,
    integer,
    listing,
    long,
    optional_integer,
    optional_string,
    password,
    short,
    string,
)
from odradek.config.validators import NonNull, OneOf, OneOfAnyCase

AUTHORIZER_CLASS_NAME = string(
    "authorizer.class.name",
    "",
    "The Java class that decides who may do what; empty lets everybody do everything.",
    importance=LOW,
    effect=REFUSED,
    validator=NonNull(),
)

PRINCIPAL_BUILDER_CLASS = class_name(
    "principal.builder.class",
    "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
    "The Java class that names the user of a connection.",
    scope=PER_BROKER,
    effect=REFUSED,
)

SECURITY_PROVIDERS = optional_string("security.providers", "Java classes that add security algorithms.", importance=LOW, effect=INERT)

DELEGATION_TOKEN_SECRET_KEY = password(
    "delegation.token.secret.key", "The secret that signs delegation tokens; without it there are none.", effect=REFUSED
)

DELEGATION_TOKEN_EXPIRY_TIME_MS = long(
    "delegation.token.expiry.time.ms",
    86_400_000,
    "How long a delegation token is valid before it has to be renewed.",
    effect=INERT,
    minimum=1,
)

DELEGATION_TOKEN_MAX_LIFETIME_MS = long(
    "delegation.token.max.lifetime.ms", 604_800_000, "How long a delegation token can be renewed.", effect=INERT, minimum=1
)

DELEGATION_TOKEN_EXPIRY_CHECK_INTERVAL_MS = long(
    "delegation.token.expiry.check.interval.ms",
    3_600_000,
    "How often expired delegation tokens are looked for.",
    importance=LOW,
    effect=INERT,
    minimum=1,
)

SASL_ENABLED_MECHANISMS = listing(
    "sasl.enabled.mechanisms", ("GSSAPI",), "The SASL mechanisms a client may choose from.", scope=PER_BROKER, effect=INERT
)

SASL_MECHANISM_CONTROLLER_PROTOCOL = string(
    "sasl.mechanism.controller.protocol",
    "GSSAPI",
    "The SASL mechanism with which nodes log in to controllers.",
    importance=HIGH,
    effect=INERT,
)

SASL_MECHANISM_INTER_BROKER_PROTOCOL = string(
    "sasl.mechanism.inter.broker.protocol",
    "GSSAPI",
    "The SASL mechanism with which brokers log in to each other.",
    scope=PER_BROKER,
    effect=INERT,
)

SASL_JAAS_CONFIG = password(
    "sasl.jaas.config", "Who may log in, or as whom this node logs in, in the notation of Java's JAAS.", scope=PER_BROKER, effect=INERT
)

SASL_CLIENT_CALLBACK_HANDLER_CLASS = class_name(
    "sasl.client.callback.handler.class", None, "The Java class that answers questions of a SASL client.", effect=INERT
)

SASL_SERVER_CALLBACK_HANDLER_CLASS = class_name(
    "sasl.server.callback.handler.class", None, "The Java class that answers questions of a SASL server.", effect=INERT
)

SASL_SERVER_MAX_RECEIVE_SIZE = integer(
    "sasl.server.max.receive.size", 524_288, "The largest SASL message that is read before a client has logged in.", effect=INERT
)

SASL_LOGIN_CLASS = class_name("sasl.login.class", None, "The Java class that logs this node in.", effect=INERT)

SASL_LOGIN_CALLBACK_HANDLER_CLASS = class_name(
    "sasl.login.callback.handler.class", None, "The Java class that answers questions while this node logs in.", effect=INERT
)

SASL_LOGIN_CONNECT_TIMEOUT_MS = optional_integer(
    "sasl.login.connect.timeout.ms", "How long reaching the server that issues tokens may take.", importance=LOW, effect=INERT
)

SASL_LOGIN_READ_TIMEOUT_MS = optional_integer(
    "sasl.login.read.timeout.ms", "How long the answer of the server that issues tokens may take.", importance=LOW, effect=INERT
)

SASL_LOGIN_REFRESH_WINDOW_FACTOR = double(
    "sasl.login.refresh.window.factor", 0.8, "After which part of a token's life it is renewed.", scope=PER_BROKER, effect=INERT
)

SASL_LOGIN_REFRESH_WINDOW_JITTER = double(
    "sasl.login.refresh.window.jitter", 0.05, "The random part of that time.", scope=PER_BROKER, effect=INERT
)

SASL_LOGIN_REFRESH_MIN_PERIOD_SECONDS = short(
    "sasl.login.refresh.min.period.seconds", 60, "The shortest time between two renewals of a token.", scope=PER_BROKER, effect=INERT
)

SASL_LOGIN_REFRESH_BUFFER_SECONDS = short(
    "sasl.login.refresh.buffer.seconds", 300, "How long before it expires a token is renewed at the latest.", scope=PER_BROKER, effect=INERT
)

SASL_LOGIN_RETRY_BACKOFF_MS = long(
    "sasl.login.retry.backoff.ms", 100, "The first pause after a login failed.", importance=LOW, effect=INERT
)

SASL_LOGIN_RETRY_BACKOFF_MAX_MS = long(
    "sasl.login.retry.backoff.max.ms", 10_000, "The longest pause after a login failed.", importance=LOW, effect=INERT
)

SASL_KERBEROS_SERVICE_NAME = optional_string(
    "sasl.kerberos.service.name", "The Kerberos name this node runs under.", scope=PER_BROKER, effect=INERT
)

SASL_KERBEROS_KINIT_CMD = string(
    "sasl.kerberos.kinit.cmd", "/usr/bin/kinit", "The path of Kerberos's kinit.", scope=PER_BROKER, effect=INERT
)

SASL_KERBEROS_MIN_TIME_BEFORE_RELOGIN = long(
    "sasl.kerberos.min.time.before.relogin",
    60_000,
    "The shortest time between two renewals of a Kerberos ticket.",
    scope=PER_BROKER,
    effect=INERT,
)

SASL_KERBEROS_TICKET_RENEW_JITTER = double(
    "sasl.kerberos.ticket.renew.jitter",
    0.05,
    "The random part of the time at which a Kerberos ticket is renewed.",
    scope=PER_BROKER,
    effect=INERT,
)

SASL_KERBEROS_TICKET_RENEW_WINDOW_FACTOR = double(
    "sasl.kerberos.ticket.renew.window.factor",
    0.8,
    "After which part of its life a Kerberos ticket is renewed.",
    scope=PER_BROKER,
    effect=INERT,
)

SASL_KERBEROS_PRINCIPAL_TO_LOCAL_RULES = listing(
    "sasl.kerberos.principal.to.local.rules",
    ("DEFAULT",),
    "Rules that make short user names of Kerberos principals.",
    scope=PER_BROKER,
    effect=INERT,
)

SASL_OAUTHBEARER_JWT_RETRIEVER_CLASS = class_name(
    "sasl.oauthbearer.jwt.retriever.class",
    "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
    "The Java class that fetches tokens.",
    effect=INERT,
)

SASL_OAUTHBEARER_JWT_VALIDATOR_CLASS = class_name(
    "sasl.oauthbearer.jwt.validator.class",
    "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
    "The Java class that checks tokens.",
    effect=INERT,
)

SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL = optional_string("sasl.oauthbearer.token.endpoint.url", "Where tokens are fetched.", effect=INERT)

SASL_OAUTHBEARER_SCOPE = optional_string("sasl.oauthbearer.scope", "The scope that is asked for with a token.", effect=INERT)

SASL_OAUTHBEARER_SCOPE_CLAIM_NAME = string(
    "sasl.oauthbearer.scope.claim.name", "scope", "The claim of a token that holds its scope.", importance=LOW, effect=INERT
)

SASL_OAUTHBEARER_SUB_CLAIM_NAME = string(
    "sasl.oauthbearer.sub.claim.name", "sub", "The claim of a token that names the user.", importance=LOW, effect=INERT
)

SASL_OAUTHBEARER_CLOCK_SKEW_SECONDS = integer(
    "sasl.oauthbearer.clock.skew.seconds", 30, "How far the clocks of issuer and broker may differ.", importance=LOW, effect=INERT
)

SASL_OAUTHBEARER_EXPECTED_AUDIENCE = listing(
    "sasl.oauthbearer.expected.audience", (), "The audiences a token may be meant for.", importance=HIGH, effect=INERT
)

SASL_OAUTHBEARER_EXPECTED_ISSUER = optional_string(
    "sasl.oauthbearer.expected.issuer", "The issuer a token has to come from.", importance=HIGH, effect=INERT
)

SASL_OAUTHBEARER_JWKS_ENDPOINT_URL = optional_string(
    "sasl.oauthbearer.jwks.endpoint.url", "Where the keys that sign tokens are published.", effect=INERT
)

SASL_OAUTHBEARER_JWKS_ENDPOINT_REFRESH_MS = long(
    "sasl.oauthbearer.jwks.endpoint.refresh.ms", 3_600_000, "How often the published keys are fetched again.", importance=LOW, effect=INERT
)

SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MS = long(
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", 100, "The first pause after fetching the keys failed.", importance=LOW, effect=INERT
)

SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MAX_MS = long(
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
    10_000,
    "The longest pause after fetching the keys failed.",
    importance=LOW,
    effect=INERT,
)

SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_ID = optional_string(
    "sasl.oauthbearer.client.credentials.client.id", "The name under which this node asks for tokens.", effect=INERT
)

SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_SECRET = password(
    "sasl.oauthbearer.client.credentials.client.secret", "The secret with which this node asks for tokens.", effect=INERT
)

SASL_OAUTHBEARER_ASSERTION_ALGORITHM = string(
    "sasl.oauthbearer.assertion.algorithm",
    "RS256",
    "The algorithm that signs the assertion with which a token is asked for.",
    effect=INERT,
    validator=OneOfAnyCase(("ES256", "RS256")),
)

SASL_OAUTHBEARER_ASSERTION_CLAIM_AUD = optional_string(
    "sasl.oauthbearer.assertion.claim.aud", "The audience claim of the assertion.", effect=INERT
)

SASL_OAUTHBEARER_ASSERTION_CLAIM_EXP_SECONDS = integer(
    "sasl.oauthbearer.assertion.claim.exp.seconds",
    300,
    "How long the assertion is valid.",
    importance=LOW,
    effect=INERT,
    minimum=0,
    maximum=86_400,
)

SASL_OAUTHBEARER_ASSERTION_CLAIM_ISS = optional_string(
    "sasl.oauthbearer.assertion.claim.iss", "The issuer claim of the assertion.", effect=INERT
)

SASL_OAUTHBEARER_ASSERTION_CLAIM_JTI_INCLUDE = boolean(
    "sasl.oauthbearer.assertion.claim.jti.include", False, "The assertion carries an id of its own.", effect=INERT
)

SASL_OAUTHBEARER_ASSERTION_CLAIM_NBF_SECONDS = integer(
    "sasl.oauthbearer.assertion.claim.nbf.seconds",
    60,
    "How long before now the assertion begins to be valid.",
    importance=LOW,
    effect=INERT,
    minimum=0,
    maximum=3600,
)

SASL_OAUTHBEARER_ASSERTION_CLAIM_SUB = optional_string(
    "sasl.oauthbearer.assertion.claim.sub", "The subject claim of the assertion.", effect=INERT
)

SASL_OAUTHBEARER_ASSERTION_FILE = optional_string("sasl.oauthbearer.assertion.file", "A file that holds a ready assertion.", effect=INERT)

SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE = optional_string(
    "sasl.oauthbearer.assertion.private.key.file", "The private key that signs the assertion.", effect=INERT
)

SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_PASSPHRASE = password(
    "sasl.oauthbearer.assertion.private.key.passphrase", "The passphrase of that private key.", effect=INERT
)

SASL_OAUTHBEARER_ASSERTION_TEMPLATE_FILE = optional_string(
    "sasl.oauthbearer.assertion.template.file", "A file with further claims of the assertion.", effect=INERT
)

SSL_CLIENT_AUTH = string(
    "ssl.client.auth",
    "none",
    "Whether clients have to show a certificate.",
    scope=PER_BROKER,
    effect=INERT,
    validator=OneOf(("required", "requested", "none")),
)

SSL_KEYSTORE_LOCATION = optional_string(
    "ssl.keystore.location", "The file of this node's key and certificate.", scope=PER_BROKER, effect=INERT
)

SSL_KEYSTORE_PASSWORD = password("ssl.keystore.password", "The password of that file.", scope=PER_BROKER, effect=INERT)

SSL_KEYSTORE_TYPE = string("ssl.keystore.type", "JKS", "The format of that file.", scope=PER_BROKER, effect=INERT)

SSL_KEYSTORE_KEY = password("ssl.keystore.key", "This node's private key, in PEM.", scope=PER_BROKER, effect=INERT)

SSL_KEYSTORE_CERTIFICATE_CHAIN = password(
    "ssl.keystore.certificate.chain", "This node's certificates, in PEM.", scope=PER_BROKER, effect=INERT
)

SSL_KEY_PASSWORD = password("ssl.key.password", "The password of the private key.", scope=PER_BROKER, effect=INERT)

SSL_TRUSTSTORE_LOCATION = optional_string(
    "ssl.truststore.location", "The file of the certificates this node trusts.", scope=PER_BROKER, effect=INERT
)

SSL_TRUSTSTORE_PASSWORD = password("ssl.truststore.password", "The password of that file.", scope=PER_BROKER, effect=INERT)

SSL_TRUSTSTORE_TYPE = string("ssl.truststore.type", "JKS", "The format of that file.", scope=PER_BROKER, effect=INERT)

SSL_TRUSTSTORE_CERTIFICATES = password(
    "ssl.truststore.certificates", "The certificates this node trusts, in PEM.", scope=PER_BROKER, effect=INERT
)

SSL_PROTOCOL = string("ssl.protocol", "TLSv1.3", "The newest TLS version.", scope=PER_BROKER, effect=INERT)

SSL_ENABLED_PROTOCOLS = listing(
    "ssl.enabled.protocols", ("TLSv1.2", "TLSv1.3"), "The TLS versions a connection may use.", scope=PER_BROKER, effect=INERT
)

SSL_CIPHER_SUITES = listing(
    "ssl.cipher.suites", (), "The cipher suites a connection may use; empty is Java's choice.", scope=PER_BROKER, effect=INERT
)

SSL_PROVIDER = optional_string("ssl.provider", "The Java security provider of TLS.", scope=PER_BROKER, effect=INERT)

SSL_ENGINE_FACTORY_CLASS = class_name(
    "ssl.engine.factory.class", None, "The Java class that makes TLS engines.", importance=LOW, scope=PER_BROKER, effect=INERT
)

SSL_KEYMANAGER_ALGORITHM = string(
    "ssl.keymanager.algorithm", "SunX509", "The algorithm of Java's key manager.", scope=PER_BROKER, effect=INERT
)

SSL_TRUSTMANAGER_ALGORITHM = string(
    "ssl.trustmanager.algorithm", "PKIX", "The algorithm of Java's trust manager.", scope=PER_BROKER, effect=INERT
)

SSL_SECURE_RANDOM_IMPLEMENTATION = optional_string(
    "ssl.secure.random.implementation", "The source of random numbers for TLS.", importance=LOW, scope=PER_BROKER, effect=INERT
)

SSL_ENDPOINT_IDENTIFICATION_ALGORITHM = string(
    "ssl.endpoint.identification.algorithm",
    "https",
    "How the host name of a server is compared with its certificate.",
    importance=LOW,
    scope=PER_BROKER,
    effect=INERT,
)

SSL_PRINCIPAL_MAPPING_RULES = string(
    "ssl.principal.mapping.rules", "DEFAULT", "Rules that make user names of certificate subjects.", importance=LOW, effect=INERT
)

SSL_ALLOW_DN_CHANGES = boolean(
    "ssl.allow.dn.changes", False, "A certificate loaded while running may have another subject.", importance=LOW, effect=INERT
)

SSL_ALLOW_SAN_CHANGES = boolean(
    "ssl.allow.san.changes", False, "A certificate loaded while running may have other alternative names.", importance=LOW, effect=INERT
)
