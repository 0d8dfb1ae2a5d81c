import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// The origin that the page has must be one that the merchant lets call: corsOriginsUpdate.
const here = { host: 'localhost', port: Number(process.env.PORT ?? 5173), strictPort: true }

export default defineConfig({ plugins: [react()], server: here, preview: here })
