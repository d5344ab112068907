// What stays of Tabler: rules for the classes that stand in a class="…" of a template, for every plain element, and
// the variables those rules read. A class that is put together from pieces is lost: write whole names.
const words = value => value.replace(/\{%.*?%\}/gs, ' ').replace(/\{\{.*?\}\}/gs, code => ` ${[...code.matchAll(/(?<![=!]= )'([^']*)'/g)].map(([, text]) => text).join(' ')} `).match(/[\w-]+/g) ?? []
const inAttributes = text => [...text.matchAll(/class="([^"]*)"/g)].flatMap(([, value]) => words(value))
const elements = 'html body main header footer nav section article aside h1 h2 h3 h4 p a ul ol li dl dt dd hr b strong em small ' +
  'code pre img svg table caption thead tbody tfoot tr th td form fieldset legend label input textarea select option optgroup ' +
  'button dialog details summary progress kbd abbr'
module.exports = {
  content: ['templates/**/*.html'],
  skippedContentGlobs: ['templates/mail/**'],
  css: ['node_modules/@tabler/core/dist/css/tabler.min.css'],
  extractors: [{
    extensions: ['html'],
    extractor: text => ({
      classes: inAttributes(text), ids: [], tags: elements.split(' '), undetermined: [],
      attributes: { names: ['type', 'role', 'hidden', 'disabled', 'open', 'popover', 'href'], values: ['checkbox', 'radio', 'search', 'button', 'submit', 'date', 'number', 'file'] },
    }),
  }],
  safelist: ['btn', 'btn-danger', 'btn-primary', 'btn-sm', 'card', 'card-body', 'form-check-input', 'form-control', 'form-hint',
    'form-label', 'form-select', 'is-invalid', 'table', 'visually-hidden'],  // what app.css restyles, and macros take as arguments
  variables: true,
  fontFace: true,
  keyframes: true,
  blocklist: [/theme|navbar|offcanvas|prose|markdown/],
}
