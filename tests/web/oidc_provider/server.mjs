// A certified OpenID provider with people from a file, any password of theirs right.
// node server.mjs '{"port": .., "home": "http://..", "secret": "..", "people": "file.json"}'
import { readFileSync } from 'node:fs';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

const given = JSON.parse(process.argv[2]);
const people = () => JSON.parse(readFileSync(given.people, 'utf8'));
const { privateKey } = await generateKeyPair('RS256', { extractable: true });
const key = { ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig' };

const provider = new Provider(`http://127.0.0.1:${given.port}`, {
  clients: [{
    client_id: 'gransk',
    client_secret: given.secret,
    redirect_uris: [`${given.home}/sign-in/provider/answer`],
    post_logout_redirect_uris: [`${given.home}/sign-in`],
    response_types: ['code'],
    grant_types: ['authorization_code'],
  }, {
    client_id: 'gransk-delivery',
    client_secret: given.secret,
    redirect_uris: [],
    response_types: [],
    grant_types: ['client_credentials'],
    token_endpoint_auth_method: given.authentication ?? 'client_secret_basic',
    scope: 'dicom.write',
  }, {
    client_id: 'gate',
    client_secret: given.secret,
    redirect_uris: [],
    response_types: [],
    grant_types: [],
  }],
  scopes: ['openid', 'profile', 'dicom.write'],
  ttl: { ClientCredentials: given.seconds ?? 600 },
  claims: { openid: ['sub'], profile: ['preferred_username', 'name', 'groups', 'realm_access'] },
  conformIdTokenClaims: given.userinfo ?? false,
  cookies: { keys: [given.secret] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    introspection: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  findAccount: (_, id) => {
    const person = people()[id];
    return person && { accountId: id, claims: () => ({ sub: id, ...person }) };
  },
  jwks: { keys: [key] },
  pkce: { required: () => true },
});
provider.listen(given.port, '127.0.0.1', () => console.log('ready'));
