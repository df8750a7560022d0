// Writes real emails as HTML into a folder, and beside each the text that html-to-text makes of it.
// Usage: node generate.mjs FOLDER
import fs from 'node:fs'
import path from 'node:path'
import Mailgen from 'mailgen'
import mjml from 'mjml'
import React from 'react'
import { convert } from 'html-to-text'
import { render } from '@react-email/render'
import * as E from '@react-email/components'

const folder = process.argv[2]
const save = (name, html) => {
  fs.writeFileSync(path.join(folder, `${name}.html`), html)
  fs.writeFileSync(path.join(folder, `${name}.html-to-text.txt`), convert(html, { wordwrap: false }))
}

const foundation = 'node_modules/foundation-emails/templates'
for (const file of fs.readdirSync(foundation)) {
  save(`foundation-${path.parse(file).name}`, fs.readFileSync(path.join(foundation, file), 'utf8'))
}

const button = (text) => ({ text, color: '#3869d4', link: 'https://acme.example/go?x=1&y=2' })
for (const theme of ['default', 'salted', 'cerberus', 'neopolitan']) {
  const mails = new Mailgen({ theme, product: { name: 'Acme', link: 'https://acme.example/' } })
  save(`mailgen-order-${theme}`, mails.generate({ body: {
    name: 'Ada', intro: 'Your order has been processed.', outro: 'Thanks.',
    table: { data: [
      { item: 'Node.js', description: 'Event-driven I/O', price: '$10.99' },
      { item: 'Mailgen', description: 'Emails', price: '$1.99' },
    ] },
    action: { instructions: 'Check the status:', button: button('Go to dashboard') },
  } }))
  save(`mailgen-reset-${theme}`, mails.generate({ body: {
    name: 'Ada', intro: 'You asked for a new password.', outro: 'If it was not you, ignore this.',
    action: { instructions: 'Click:', button: button('Reset password') },
  } }))
}

const h = React.createElement
const page = (...children) => h(E.Html, null, h(E.Head), h(E.Body, null, ...children))
save('react-welcome', await render(page(
  h(E.Preview, null, 'PREVIEW'),
  h(E.Img, { src: 'https://acme.example/logo.png', alt: 'Acme logo' }),
  h(E.Heading, null, 'Welcome Ada'),
  h(E.Row, null, h(E.Column, null, 'Plan'), h(E.Column, null, 'Team')),
  h(E.Button, { href: 'https://acme.example/start' }, 'Start'),
  h(E.Text, null, 'Or ', h(E.Link, { href: 'mailto:help@acme.example' }, 'help@acme.example')),
)))
save('react-markdown', await render(page(
  h(E.Markdown, null, '# Hi\n\n1. one\n2. two\n\n> quoted\n\n```\nx = 1\n  y = 2\n```\n'),
)))

const column = (...parts) => `<mj-column>${parts.join('')}</mj-column>`
const document = (...columns) => `<mjml><mj-head><mj-preview>PREVIEW</mj-preview></mj-head><mj-body>
  <mj-section>${columns.join('')}</mj-section></mj-body></mjml>`
const mails = {
  basic: document(column(
    '<mj-image src="https://acme.example/logo.png" alt="Acme logo"/>',
    '<mj-text>Hello <b>World</b></mj-text>',
    '<mj-button href="https://acme.example/start">Start</mj-button>',
  )),
  table: document(column(`<mj-table><tr><th>Year</th><th>Language</th><th>From</th></tr>
    <tr><td>1995</td><td>PHP</td><td></td></tr>
    <tr><td>1995</td><td>JavaScript</td><td>Self</td></tr></mj-table>`)),
  columns: document(
    column('<mj-text>A left column of prose that is longer than a cell of data would be.</mj-text>'),
    column('<mj-text>A right column of prose that is longer than a cell of data, too.</mj-text>'),
  ),
}
for (const [name, source] of Object.entries(mails)) save(`mjml-${name}`, (await mjml(source)).html)
