// Node's part of `make assets`: Tabler purged, app.css made small, htmx and the licenses copied. core/pages/assets.py does the rest.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { PurgeCSS } from 'purgecss'
import { transform } from 'lightningcss'

const options = createRequire(import.meta.url)('./purgecss.config.cjs')
const vendor = 'static/vendor/'
const small = (name, code) => transform({ filename: name, code: Buffer.from(code), minify: true }).code
const banner = css => css.match(/\/\*![^]*?\*\//)[0] + '\n'
const classes = css => [...new Set([...css.matchAll(/\.(-?[A-Za-z_](?:\\.|[\w-])*)/g)].map(([, name]) => name.replace(/\\/g, '')))]

mkdirSync('node_modules/.assets', { recursive: true })
const tabler = readFileSync(options.css[0], 'utf8')
const [{ css }] = await new PurgeCSS().purge(options)
writeFileSync(vendor + 'tabler-1.6.1.css', banner(tabler) + small('tabler.css', css))
writeFileSync(vendor + 'tabler-1.6.1-classes.txt', classes(tabler.replace(/\/\*[^]*?\*\//g, '')).sort().join('\n') + '\n')
writeFileSync('node_modules/.assets/app.css', small('app.css', readFileSync('static/app.css', 'utf8')))
copyFileSync('static/app.js', 'node_modules/.assets/app.js')
copyFileSync('node_modules/htmx.org/dist/htmx.min.js', vendor + 'htmx-4.0.1.min.js')
copyFileSync('node_modules/htmx.org/LICENSE', vendor + 'htmx-LICENSE.txt')
