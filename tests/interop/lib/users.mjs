// The people who sign in. Their `sub` differs from their user name on purpose: whoever mistakes one
// for the other (the broker's subject, the Nextcloud uid) fails here as it would at a real provider.

export const USERS = {
  alice: {
    sub: '6f0c9a52-5b8e-4b57-9d8c-1a6c3b1f0a11',
    username: 'alice',
    password: 'alice-at-the-idp',
    name: 'Alice Liddell',
    email: 'alice@example.org',
  },
  bob: {
    sub: '0b1d7e34-94a3-4f0e-8f59-5a2f7c9d0b22',
    username: 'bob',
    password: 'bob-at-the-idp',
    name: 'Bob Dobbs',
    email: 'bob@example.org',
  },
};
